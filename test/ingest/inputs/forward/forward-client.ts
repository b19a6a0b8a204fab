// The forward input on a real socket, and a client of it that sends bytes as a test makes them.
import { once } from 'node:events';
import net from 'node:net';
import { Packr, UnpackrStream } from 'msgpackr';
import { vi } from 'vitest';
import { createForwardInput, type ForwardInputOptions } from '../../../../ingest/inputs/forward/forward.ts';
import type { Input } from '../../../../ingest/inputs/contract.ts';
import { type Recorder, createRecorder } from '../recorder.ts';

const packr = new Packr({ useRecords: false, variableMapSize: true });

export interface Served extends AsyncDisposable {
  readonly input: Input;
  readonly port: number;
  readonly recorder: Recorder;
}

export async function serveForward(options: Partial<ForwardInputOptions> = {}): Promise<Served> {
  const recorder = createRecorder(options);
  const input = await createForwardInput({
    listen: '127.0.0.1:0',
    level: 'disk',
    maxChunk: 2 ** 20,
    maxEvent: 64 * 1024,
    sharedKey: '',
    users: [],
    tls: null,
    ...recorder.context,
    ...options,
  });
  const port = Number(new URL(input.address.replace(/^\w+:/, 'http:')).port);
  return { input, port, recorder, [Symbol.asyncDispose]: () => input[Symbol.asyncDispose]() };
}

export const pack = (value: unknown): Buffer => Buffer.from(packr.pack(value));

/** [seconds, nanoseconds] as Fluentd's EventTime. */
export function eventTime(seconds: number, nanos: number): Buffer {
  const bytes = Buffer.alloc(10);
  bytes.writeUInt16BE(0xd700);
  bytes.writeUInt32BE(seconds, 2);
  bytes.writeUInt32BE(nanos, 6);
  return bytes;
}

/** An array of values that are packed already. */
export function packed(...values: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.of(0x90 | values.length), ...values]);
}

/** Entries one behind the other, as PackedForward has them. */
export const entries = (...records: readonly object[]): Buffer =>
  Buffer.concat(records.map((record, i) => pack([1_700_000_000 + i, record])));

const until = (condition: () => boolean): Promise<boolean> => vi.waitUntil(condition, { timeout: 10_000, interval: 5 });

export class Client implements AsyncDisposable {
  readonly socket: net.Socket;
  /** Values that came back, and the pieces in which they came. */
  readonly answers: unknown[] = [];
  readonly pieces: Buffer[] = [];
  closed = false;
  /** The other side sends no more. */
  hasEnded = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    const decoder = new UnpackrStream({ useRecords: false });
    decoder.on('data', (value: unknown) => this.answers.push(value));
    decoder.on('error', () => undefined); // answers in JSON
    socket.on('data', (piece: Buffer) => {
      this.pieces.push(piece);
      decoder.write(piece);
    });
    socket.on('error', () => undefined);
    socket.on('end', () => (this.hasEnded = true));
    socket.on('close', () => (this.closed = true));
  }

  send(...bytes: readonly Uint8Array[]): void {
    for (const part of bytes) this.socket.write(part);
  }

  async answered(count: number): Promise<readonly unknown[]> {
    await until(() => this.answers.length >= count || this.hasEnded || this.closed);
    return this.answers;
  }

  async ended(): Promise<void> {
    await until(() => this.hasEnded || this.closed);
  }

  async gone(): Promise<void> {
    await until(() => this.closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.gone();
  }
}

export async function connect(port: number): Promise<Client> {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return new Client(socket);
}
