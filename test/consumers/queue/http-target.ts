// A target for tests of the loop: an HTTP server that keeps events by id and answers with outcomes as the contract has them, and its sink.
import { Agent, createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ModuleSinkConfig } from '#core/config/sink-config.ts';
import type { Connection, Encoded, Outcome, QueueSink } from '../../../consumers/queue/contract.ts';
import type { SinkEvent } from '../../../consumers/queue/sink-event.ts';
import type { TargetTrouble } from './conformance.ts';

export interface StoredEvent {
  readonly id: string;
  readonly data: { readonly poison?: boolean; readonly [name: string]: unknown };
}

export class HttpTarget implements AsyncDisposable {
  /** How often each event came. */
  readonly came = new Map<string, number>();
  readonly stored = new Set<string>();
  /** Requests, each the ids of its events. */
  readonly requests: (readonly string[])[] = [];
  readonly sockets = new Set<Socket>();
  mostSockets = 0;
  /** Answers instead of the server's own; null: that one. */
  script: (events: readonly StoredEvent[]) => Outcome | null | Promise<Outcome | null> = () => null;
  /** Milliseconds before each answer. */
  slow = 0;
  #server: Server;
  #port = 0;

  constructor() {
    this.#server = this.#make();
  }

  static async start(): Promise<HttpTarget> {
    const target = new HttpTarget();
    await target.up();
    return target;
  }

  async up(): Promise<void> {
    this.#server = this.#make();
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port; // listens on TCP
  }

  async down(): Promise<void> {
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async trouble(kind: TargetTrouble): Promise<boolean> {
    this.slow = kind === 'slow' ? 300 : 0;
    this.script = () => {
      if (kind === 'busy') return { kind: 'retry', code: '503', message: 'busy', after: 1000 };
      return kind === 'forbidden' ? { kind: 'paused', code: '401', message: 'wrong token.', after: null } : null;
    };
    if (kind === 'down') await this.down();
    else if (!this.#server.listening) await this.up();
    return true;
  }

  config(): ModuleSinkConfig {
    return {
      kind: 'module',
      module: 'test',
      options: {},
      name: 'under-test',
      home: 'chicago',
      match: ['**'],
      mapping: null,
      admin: '127.0.0.1:0',
      memory: 1_048_576,
      connections: 2,
      batch: { size: 65_536, count: 200, age: 50 },
      timeout: 5_000,
    };
  }

  sink(): QueueSink<Buffer> {
    return {
      limit: { bytes: 1_000_000, events: 1000 },
      encode(event: SinkEvent): Encoded<Buffer> {
        const body = Buffer.from(
          `{"id":${event.member('id')?.toString()},"data":${event.member('data')?.toString() ?? '{}'}}`,
        );
        return { kind: 'encoded', body, bytes: body.length + 1 };
      },
      prepare: async (connection, signal) => connection.send([], signal, () => {}),
      connect: () => new HttpConnection(() => this.#port),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #make(): Server {
    const server = createServer((incoming, outgoing) => {
      this.#answer(incoming).then(
        (outcome) => outgoing.end(JSON.stringify(outcome)),
        () => outgoing.destroy(),
      );
    });
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      this.mostSockets = Math.max(this.mostSockets, this.sockets.size);
      socket.once('close', () => this.sockets.delete(socket));
    });
    return server;
  }

  async #answer(incoming: IncomingMessage): Promise<Outcome> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString().trimEnd();
    const events = text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as StoredEvent);
    if (this.slow > 0) await delay(this.slow);
    if (events.length > 0) this.requests.push(events.map(({ id }) => id));
    return (await this.script(events)) ?? this.#store(events);
  }

  #store(events: readonly StoredEvent[]): Outcome {
    let repeated = 0;
    const rejected = events.flatMap(({ data }, index) =>
      data.poison === true ? [{ index, code: 'poisonous', message: 'refused for its data' }] : [],
    );
    for (const { id, data } of events) {
      if (data.poison === true) continue;
      this.came.set(id, (this.came.get(id) ?? 0) + 1);
      if (this.stored.has(id)) repeated++;
      this.stored.add(id);
    }
    if (rejected.length === 0) return { kind: 'done', repeated };
    return { kind: 'partly', rejected, retry: [], code: '', message: '', after: null, repeated };
  }
}

class HttpConnection implements Connection<Buffer> {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: () => number;

  constructor(port: () => number) {
    this.#port = port;
  }

  send(batch: readonly Buffer[], signal: AbortSignal): Promise<Outcome> {
    return new Promise((resolve) => {
      const failed = (error: Error): void =>
        resolve({ kind: 'retry', code: 'unreachable', message: error.message, after: null });
      const asked = request({ host: '127.0.0.1', port: this.#port(), method: 'POST', agent: this.#agent, signal });
      asked.on('error', failed);
      asked.on('response', (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('error', failed);
        answer.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString()) as Outcome));
      });
      asked.end(Buffer.concat(batch.flatMap((body) => [body, Buffer.from('\n')])));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
  }
}
