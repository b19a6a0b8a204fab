// Delivers letters to where a plan sends them: the queue of the sink that refused them, or the agent of this host. Who resolves them: the
// caller, once `deliver` has told what became of each.
import { setTimeout as delay } from 'node:timers/promises';
import { encodeBatch } from '#core/batch.ts';
import { isEventLine } from '#core/event-line.ts';
import type { AmqpLinkOptions } from '#core/io/amqp.ts';
import { localUrl } from '#core/units.ts';
import { lineBatches } from '../replay/batches.ts';
import type { Pace } from '../replay/pace.ts';
import { SinkPublisher } from '../replay/sink-publisher.ts';
import type { Letter } from './letters.ts';

export interface Parcel {
  readonly letter: Letter;
  /** Event lines, with their line feeds or without. */
  readonly lines: readonly Buffer[];
}

export interface Delivery extends AsyncDisposable {
  /** Bytes of lines that one call takes together; a parcel that is larger goes alone. */
  readonly limit: number;
  /** Durable when it resolves, but for those named, each with why. Rejects where it is unknown: all may be delivered once more. */
  deliver(parcels: readonly Parcel[]): Promise<ReadonlyMap<Letter, string>>;
}

const LF = 0x0a;
const QUEUE_BYTES = 8 * 1024 * 1024;
const AGENT_BYTES = 4 * 1024 * 1024;
const AGENT_TIMEOUT_MS = 60_000;
const AGENT_TRIES = 20;
const LONGEST_WAIT_S = 60;

/** Lines of a letter's body; null where one is no event: a sink would send it back at once. */
export function linesOfBody(body: Buffer): readonly Buffer[] | null {
  const lines: Buffer[] = [];
  for (let start = 0; start < body.length;) {
    const feed = body.indexOf(LF, start);
    const end = feed < 0 ? body.length : feed + 1;
    if (!isEventLine(body, start, end)) return null;
    lines.push(body.subarray(start, end));
    start = end;
  }
  return lines.length === 0 ? null : lines;
}

/** `identity`: a fresh one; the events are numbered under it. */
export async function queueDelivery(
  link: AmqpLinkOptions,
  sink: string,
  identity: string,
  pace: Pace,
): Promise<Delivery> {
  const publisher = await SinkPublisher.open(link, sink);
  let next = 1;
  return {
    limit: QUEUE_BYTES,
    async deliver(parcels) {
      const batches = lineBatches(
        parcels.flatMap(({ lines }) => lines),
        identity,
        next,
      );
      for (const batch of batches) {
        next += batch.count;
        await pace.take(batch.count);
        publisher.publish(encodeBatch(batch, 'identity'));
      }
      await publisher.confirmed();
      return new Map();
    },
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  };
}

interface AgentAnswer {
  readonly errors: readonly { readonly index?: number; readonly code: string; readonly message: string }[];
}

/** `maxBody`: what the agent takes in one request, bytes. */
export function agentDelivery(listen: string, maxBody: number, pace: Pace): Delivery {
  const url = `${localUrl(listen)}/events?level=disk`;
  return {
    limit: Math.min(AGENT_BYTES, maxBody),
    async deliver(parcels) {
      const owners = parcels.flatMap(({ letter, lines }) => lines.map(() => letter));
      const lines = parcels.flatMap((parcel) => parcel.lines);
      await pace.take(lines.length);
      const { status, text } = await post(url, arrayOf(lines), {}, 'agent');
      const { errors } = answerOf(url, status, text);
      const refused = new Map<Letter, string>();
      for (const { index, code, message } of errors) {
        const owner = index === undefined ? undefined : owners[index];
        for (const letter of owner === undefined ? owners : [owner]) refused.set(letter, `${code}: ${message}`);
      }
      return refused;
    },
    async [Symbol.asyncDispose]() {},
  };
}

export interface BeeAccess {
  readonly listen: string;
  readonly token: string;
  /** Bytes of one request. */
  readonly maxBody: number;
}

/** Brackets and commas of a request. */
const BEE_FRAMING = 512;

/** What Bee rejected, through Bee once more: it believes source and id where the token is right. */
export function beeDelivery({ listen, token, maxBody }: BeeAccess, pace: Pace): Delivery {
  const url = `${localUrl(listen)}/v1/events?level=disk`;
  return {
    limit: Math.min(AGENT_BYTES, maxBody - BEE_FRAMING),
    async deliver(parcels) {
      const owners = parcels.flatMap(({ letter, lines }) => lines.map(() => letter));
      await pace.take(owners.length);
      const body = arrayOf(parcels.flatMap(({ lines }) => lines));
      const { status, text } = await post(url, body, { authorization: `Bearer ${token}` }, 'Bee');
      const refused = new Map<Letter, string>();
      for (const [index, verdict] of verdictsOf(url, status, text, owners.length).entries()) {
        const owner = owners[index];
        if (owner !== undefined && verdict !== null) refused.set(owner, verdict);
      }
      return refused;
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** For each event null where Bee accepted it, else why not. */
function verdictsOf(url: string, status: number, text: string, count: number): readonly (string | null)[] {
  try {
    const answer = JSON.parse(text) as {
      readonly verdicts?: readonly { readonly verdict?: string; readonly code?: string; readonly message?: string }[];
      readonly error?: { readonly code?: string; readonly message?: string } | null;
    } | null;
    const { verdicts, error } = answer ?? {};
    if (Array.isArray(verdicts) && verdicts.length === count)
      return verdicts.map(({ verdict, code, message }) => (verdict === 'accepted' ? null : `${code}: ${message}`));
    if (typeof error?.code === 'string') return Array.from({ length: count }, () => `${error.code}: ${error.message}`);
  } catch {
    // Told below.
  }
  throw new Error(`what answers at ${url} is no Bee of waggle: status ${status}`);
}

function arrayOf(lines: readonly Buffer[]): Buffer<ArrayBuffer> {
  const parts = lines.flatMap((line, index) => [Buffer.from(index === 0 ? '[' : ','), line]);
  return Buffer.concat([...parts, Buffer.from(']')]);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Waits while the agent is full. `who`: for people. */
async function post(
  url: string,
  body: Buffer<ArrayBuffer>,
  more: Readonly<Record<string, string>>,
  who: string,
): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const headers = { 'content-type': 'application/cloudevents-batch+json', ...more };
    const signal = AbortSignal.timeout(AGENT_TIMEOUT_MS);
    const answer = await fetch(url, { method: 'POST', headers, body, signal }).catch((error: unknown) => {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      throw new Error(`no answer from the ${who} at ${url}: ${String(cause)}; such replays run on a host with one`);
    });
    const text = await answer.text();
    const busy = answer.status === 429 || answer.status === 503;
    if (!busy) return { status: answer.status, text };
    if (tries === AGENT_TRIES) throw new Error(`the ${who} at ${url} takes nothing: ${text}`);
    const asked = Number(answer.headers.get('retry-after') ?? 1);
    await delay(1000 * Math.min(LONGEST_WAIT_S, Number.isFinite(asked) ? Math.max(1, asked) : 1));
  }
}

function answerOf(url: string, status: number, text: string): AgentAnswer {
  try {
    const answer = JSON.parse(text) as Partial<AgentAnswer> | null;
    // An agent that took nothing says why; what takes nothing and says nothing is none, and no letter is resolved by it.
    if (Array.isArray(answer?.errors) && (status < 300 || answer.errors.length > 0)) return { errors: answer.errors };
  } catch {
    // Told below.
  }
  throw new Error(`what answers at ${url} is no agent of waggle: status ${status}`);
}
