// The agent of this host, as Bee speaks to it: requests over kept connections. Who acknowledges: the agent, once the level is reached; what
// it answers becomes an outcome, never an exception.
import { Agent, type Dispatcher } from 'undici';
import type { Level } from '#core/config/config.ts';
import { LETTERS_PATH } from '#core/dead-letter.ts';

/** One line is refused, and the others are taken. */
export interface LineError {
  readonly index: number;
  readonly code: string;
  readonly message: string;
  readonly retry: boolean;
}

export type Handed =
  /** `level`: the one reached; null where every line is refused. */
  | { readonly kind: 'taken'; readonly level: Level | null; readonly errors: readonly LineError[] }
  /** Nothing is known to be taken. `retryAfter`: seconds. `message`: for the log alone. */
  | { readonly kind: 'unavailable'; readonly retryAfter: number; readonly message: string };

export interface BeeAgent extends AsyncDisposable {
  /** Lines of NDJSON. Resolves always. */
  readonly events: (lines: string, level: Level) => Promise<Handed>;
  readonly letters: (lines: string, level: Level) => Promise<Handed>;
  /** Why the last request failed; null where it did not. */
  readonly trouble: () => string | null;
}

export interface BeeAgentOptions {
  /** `http://host:port`. */
  readonly url: string;
  readonly token: string;
}

/** Beyond the 10 s that the agent waits for a site. */
const ANSWER_MS = 15_000;
const CONNECT_MS = 2_000;
const CONNECTIONS = 64;
const RETRY_AFTER = 2;
const LONGEST_RETRY_AFTER = 3600;

export function connectAgent({ url, token }: BeeAgentOptions): BeeAgent {
  const dispatcher = new Agent({
    connections: CONNECTIONS,
    pipelining: 1,
    connectTimeout: CONNECT_MS,
    headersTimeout: ANSWER_MS,
    bodyTimeout: ANSWER_MS,
    keepAliveTimeout: 30_000,
  });
  let trouble: string | null = null;
  const post = async (path: string, lines: string, headers: Readonly<Record<string, string>>): Promise<Handed> => {
    const handed = await postLines(dispatcher, url, path, lines, headers);
    trouble = handed.kind === 'unavailable' ? handed.message : null;
    return handed;
  };
  const plain = { 'content-type': 'application/x-ndjson' };
  const withToken = { ...plain, authorization: `Bearer ${token}` };
  return {
    events: (lines, level) => post(`/events?level=${level}`, lines, plain),
    letters: (lines, level) => post(`${LETTERS_PATH}?level=${level}`, lines, withToken),
    trouble: () => trouble,
    [Symbol.asyncDispose]: () => dispatcher.close(),
  };
}

async function postLines(
  dispatcher: Dispatcher,
  origin: string,
  path: string,
  lines: string,
  headers: Readonly<Record<string, string>>,
): Promise<Handed> {
  try {
    const answer = await dispatcher.request({ origin, path, method: 'POST', body: lines, headers });
    const text = await answer.body.text();
    return handedOf(answer.statusCode, text, Number(answer.headers['retry-after'] ?? RETRY_AFTER));
  } catch (error) {
    const message = `no answer from the agent at ${origin}: ${error instanceof Error ? error.message : String(error)}`;
    return { kind: 'unavailable', retryAfter: RETRY_AFTER, message };
  }
}

function handedOf(status: number, text: string, wait: number): Handed {
  const retryAfter = Number.isFinite(wait) ? Math.min(LONGEST_RETRY_AFTER, Math.max(1, wait)) : RETRY_AFTER;
  const unavailable = (why: string): Handed => ({ kind: 'unavailable', retryAfter, message: `the agent ${why}` });
  if (status >= 401 && status !== 413 && status !== 415)
    return unavailable(`answered ${status}: ${text.slice(0, 500)}`);
  try {
    const { level, errors } = JSON.parse(text) as {
      readonly level: Level | null;
      readonly errors: readonly LineError[];
    };
    if (!Array.isArray(errors)) return unavailable('is none of waggle');
    // An error without an index is one of the request: Bee's own mistake, which no sender can mend.
    if (errors.some(({ index }) => typeof index !== 'number'))
      return unavailable(`answered ${status}: ${text.slice(0, 500)}`);
    return { kind: 'taken', level, errors };
  } catch {
    return unavailable(`answered ${status}, and no JSON`);
  }
}
