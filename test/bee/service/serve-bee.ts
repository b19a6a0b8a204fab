// Bee on a real socket, over the agent's own HTTP input with an `accept` that keeps in memory what it took.
import { join } from 'node:path';
import type { BeeConfig } from '#core/config/bee-config.ts';
import { readRecordLine } from '#core/dead-letter.ts';
import { createTelemetry, type Telemetry } from '#core/io/telemetry.ts';
import type { HttpLimits } from '#core/io/http-server.ts';
import { createLog } from '#core/io/log.ts';
import { startBee, type Bee } from '../../../bee/main.ts';
import { makeKey } from '../../../bee/service/keys.ts';
import type { Accepted } from '../../../ingest/inputs/contract.ts';
import { createGate, takeLetters } from '../../../ingest/letters.ts';
import { configFor } from '../../site-config.ts';
import { IDENTITY, serve, type Served } from '../../ingest/inputs/http/serve.ts';

export const TOKEN = 'a-token-of-32-characters-or-more';
const random = (target: Uint8Array): unknown => target.fill(7);
export const APP = makeKey('app', random);
export const NARROW = makeKey('narrow', (target) => target.fill(9));
export const UNKNOWN = makeKey('app', (target) => target.fill(8));

export interface Verdict {
  readonly index: number;
  readonly verdict: 'accepted' | 'rejected' | 'retry';
  readonly code?: string;
  readonly pointer?: string;
  readonly message?: string;
  readonly id: string | null;
  readonly rule: string | null;
  readonly changes?: readonly { readonly pointer: string; readonly sanitizer: string }[];
}

export interface BeeReply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: {
    readonly level: string | null;
    readonly accepted: number;
    readonly rejected: number;
    readonly retry: number;
    readonly verdicts: readonly Verdict[];
    readonly error: { readonly code: string; readonly message: string; readonly pointer: string } | null;
  };
}

export interface ServedBee extends AsyncDisposable {
  readonly bee: Bee;
  readonly agent: Served;
  readonly telemetry: Telemetry;
  /** Letters that the agent took: headers, and the event that lies in each. */
  readonly letters: { readonly headers: Readonly<Record<string, string>>; readonly body: string }[];
  post(path: string, body: string | Uint8Array<ArrayBuffer>, headers?: Record<string, string>): Promise<BeeReply>;
  /** To /v1/events as JSON, with the key of the app. */
  send(events: unknown, query?: string, headers?: Record<string, string>): Promise<BeeReply>;
  /** Events that the agent took, parsed. */
  events(): Record<string, unknown>[];
}

export interface BeeParts extends Partial<BeeConfig> {
  /** Stands in for what the agent's spool decides; null is what a healthy one answers. */
  readonly outcome?: () => Promise<Accepted>;
  readonly limits?: Partial<HttpLimits>;
  readonly letterOutcome?: () => Promise<Accepted>;
}

export const beeConfig = (agent: string, parts: Partial<BeeConfig> = {}): BeeConfig => ({
  listen: '127.0.0.1:0',
  admin: '127.0.0.1:0',
  agent,
  token: TOKEN,
  level: 'disk',
  rules: join(import.meta.dirname, '../../../bee/rules'),
  hashKey: 'a key for the sanitizer hash',
  keys: [
    { name: 'app', hashes: [APP.hash], source: '/apps/ios', types: ['**'] },
    { name: 'narrow', hashes: [NARROW.hash], source: '/apps/narrow', types: ['screen.*'] },
  ],
  origins: ['https://www.example.com'],
  trustedProxies: [],
  maxBody: 512 * 1024,
  maxEvent: 32 * 1024,
  maxEvents: 1000,
  rate: { window: 10_000, key: 100_000, address: 100_000 },
  clockSkew: 55 * 60_000,
  remember: 600_000,
  ...parts,
});

export async function serveBee({ outcome, letterOutcome, limits, ...parts }: BeeParts = {}): Promise<ServedBee> {
  await using started = new AsyncDisposableStack();
  const letters: ServedBee['letters'] = [];
  const intake = {
    allows: createGate(TOKEN),
    take: takeLetters,
    accept: async (groups: readonly { readonly payload: Buffer }[], level: 'memory' | 'disk' | 'site') => {
      const refused = await letterOutcome?.();
      if (refused !== undefined) return refused;
      for (const line of groups.flatMap(({ payload }) => String(payload).trimEnd().split('\n'))) {
        const record = readRecordLine(Buffer.from(line));
        if (record !== null) letters.push({ headers: record.headers, body: String(record.body) });
      }
      return { kind: 'accepted', level, receipts: [{ identity: IDENTITY, first: 1, last: 1 }] } as const;
    },
  };
  const agent = started.use(await serve({ letters: intake, ...(outcome && { outcome }) }));
  const telemetry = createTelemetry('bee', createLog('bee', { write: () => undefined }));
  const config = beeConfig(agent.input.address, parts);
  const bee = started.use(await startBee(configFor([], { bee: config }), config, telemetry, limits));
  const moved = started.move();
  const post: ServedBee['post'] = async (path, body, headers = {}) => {
    const response = await fetch(`${bee.address}${path}`, { method: 'POST', body, headers });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: JSON.parse(text) as BeeReply['body'] };
  };
  return {
    bee,
    agent,
    telemetry,
    letters,
    post,
    send: (events, query = '', headers = {}) =>
      post(`/v1/events${query}`, typeof events === 'string' ? events : JSON.stringify(events), {
        'content-type': 'application/json',
        authorization: `Bearer ${APP.key}`,
        ...headers,
      }),
    events: () => agent.lines().map((line) => JSON.parse(line) as Record<string, unknown>),
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

/** A good event of the rule checkin.created. */
export const checkin = (id?: string, more: object = {}): Record<string, unknown> => ({
  type: 'checkin.created',
  ...(id !== undefined && { id }),
  data: { member_id: 'm-1', place_id: 'p-7', method: 'app', ...more },
});
