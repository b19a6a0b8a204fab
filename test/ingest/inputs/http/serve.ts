// The HTTP input on a real socket, over an `accept` that keeps in memory what it took.
import net from 'node:net';
import { randomFillSync } from 'node:crypto';
import type { RefusalCode } from '#core/errors.ts';
import { createHttpInput, type HttpInputOptions } from '../../../../ingest/inputs/http/http.ts';
import type { Accept, Accepted, Input } from '../../../../ingest/inputs/contract.ts';
import type { EventGroup } from '../../../../ingest/spool/contract.ts';
import type { Level } from '#core/config/config.ts';

export const IDENTITY = '01890000-0000-7000-8000-000000000000';
export const NOW = Date.parse('2026-11-23T14:00:00.000Z');

export interface Served extends AsyncDisposable {
  readonly input: Input;
  readonly groups: EventGroup[];
  readonly levels: Level[];
  readonly refused: RefusalCode[];
  readonly faults: unknown[];
  accepted: number;
  /** NDJSON lines taken so far, without their line feeds. */
  lines(): string[];
  post(path: string, body: string | Uint8Array<ArrayBuffer> | null, headers?: Record<string, string>): Promise<Reply>;
}

export interface ErrorText {
  readonly index?: number;
  readonly code: string;
  readonly pointer: string;
  readonly message: string;
  readonly retry: boolean;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    readonly level: string | null;
    readonly accepted: number;
    readonly receipts: string;
    readonly errors: readonly ErrorText[];
  };
}

/** `outcome` stands in for the spool's decision; null is what a healthy spool answers. */
export async function serve(
  options: Partial<HttpInputOptions> & { outcome?: () => Promise<Accepted> } = {},
): Promise<Served> {
  const groups: EventGroup[] = [];
  const levels: Level[] = [];
  const refused: RefusalCode[] = [];
  const faults: unknown[] = [];
  let number = 0;
  const accept: Accept = async (taken, level) => {
    const result = await options.outcome?.();
    if (result?.kind === 'refused') return result;
    groups.push(...taken);
    levels.push(level);
    const first = number + 1;
    for (const group of taken) number += group.count;
    return result ?? { kind: 'accepted', level, receipts: [{ identity: IDENTITY, first, last: number }] };
  };
  const served = { accepted: 0 };
  const input = await createHttpInput({
    listen: '127.0.0.1:0',
    level: 'disk',
    maxBody: 2 ** 20,
    maxEvent: 64 * 1024,
    accept,
    letters: null,
    types: [],
    site: 'chicago',
    host: 'web-1',
    clock: () => NOW,
    random: randomFillSync,
    observe: {
      accepted: (events) => (served.accepted += events),
      refused: (code) => refused.push(code),
      lost: () => undefined,
      closed: () => undefined,
      fault: (error) => faults.push(error),
    },
    ...options,
  });
  return Object.assign(served, {
    input,
    groups,
    levels,
    refused,
    faults,
    lines: () =>
      groups.flatMap(({ payload, count }) => {
        const lines = payload.toString().split('\n');
        if (lines.pop() !== '' || lines.length !== count)
          throw new Error('a group must hold `count` lines, each ended by a line feed');
        return lines;
      }),
    post: async (
      path: string,
      body: string | Uint8Array<ArrayBuffer> | null,
      headers: Record<string, string> = { 'content-type': 'application/json' },
    ) => {
      const response = await fetch(`${input.address}${path}`, { method: 'POST', body, headers });
      return { status: response.status, headers: response.headers, body: (await response.json()) as Reply['body'] };
    },
    [Symbol.asyncDispose]: () => input[Symbol.asyncDispose](),
  });
}

/** Sends bytes as they are; all that came back once the other side has closed. */
export function exchange(address: string, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(address);
    const socket = net.connect(Number(port), hostname);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    for (const part of parts) socket.write(part);
  });
}

export const cloudEvent = (over: Record<string, unknown> = {}): Record<string, unknown> => ({
  specversion: '1.0',
  id: '1',
  source: '/test',
  type: 'test.made',
  data: { n: 1 },
  ...over,
});
