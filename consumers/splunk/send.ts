// One connection to a collector: requests, their answers, and what waits for the indexers.
//
// A channel belongs to one socket. Where the collector started again, its ids begin again too, and an old channel on a new socket would take one
// request's acknowledgement for another's. So a client of undici is let to connect once, and a new one has a new channel.
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Client } from 'undici';
import type { SplunkSinkConfig } from '#core/config/sink-config.ts';
import { isCertificateError } from '#core/io/tls.ts';
import { connectOnce, NeverSent } from '#core/io/undici-tls.ts';
import type { Connection, Outcome } from '../queue/contract.ts';
import { IndexerAcks, type AckAnswer } from './ack.ts';
import { classify, indexedOf, wordsOf, type HecAnswer, type Suspect, type Verdict } from './classify.ts';
import { sift } from './sift.ts';

const EVENTS = '/services/collector/event';
const ACKS = '/services/collector/ack';
const compress = promisify(gzip);
/** Of small events in JSON level 1 leaves 13 % in 2 ms of a thread for 800 KB, level 6 leaves 11 % in 5 ms; level 0 would be 7 times the bytes. */
const GZIP_LEVEL = 1;
const MOST_ANSWER = 1_048_576;
const CONNECT_MS = 10_000;
/** Longer than Splunk itself keeps an idle connection. */
const IDLE_MS = 60_000;
/** A kept connection may always turn out to be closed; twice in turn, the collector is away. */
const FAILURES = 2;
/** No request has this id. */
const NO_ACK = 2 ** 31 - 1;

interface Session {
  readonly client: Client;
  readonly channel: string;
  readonly endpoint: string;
}
type Sent = { readonly kind: 'answer'; readonly answer: HecAnswer; readonly session: Session } | NoAnswer;
type NoAnswer = Extract<Outcome, { kind: 'retry' | 'paused' }>;

export class HecConnection implements Connection<Buffer> {
  readonly #config: SplunkSinkConfig;
  readonly #acks: IndexerAcks | null;
  #endpoint: number;
  #session: Session | null = null;
  /** Of the connection, in turn. */
  #failures = 0;
  /** By which a balancer before several indexers finds the one that has our acknowledgements. */
  #cookie: string | null = null;
  #closed = false;
  /** Resolves once the socket before is closed: there is one at a time. */
  #left: Promise<void> = Promise.resolve();

  /** `endpoint`: index of the one to begin with. */
  constructor(config: SplunkSinkConfig, endpoint: number) {
    this.#config = config;
    this.#endpoint = endpoint % config.endpoints.length;
    const ask = this.#ask.bind(this);
    this.#acks = config.ack.enabled ? new IndexerAcks(config.ack, ask, () => performance.now()) : null;
  }

  send(batch: readonly Buffer[], signal: AbortSignal, taken: () => void): Promise<Outcome> {
    const pick = (indexes: readonly number[]): readonly Buffer[] =>
      indexes.length === batch.length ? batch : indexes.flatMap((index) => batch[index] ?? []);
    return sift(batch.length, {
      send: (indexes) => this.#deliver(pick(indexes), signal, taken),
      tryAlone: async (index) => (await this.#events(pick([index]), signal)).verdict,
      takenIsDone: this.#acks === null,
    });
  }

  /** Whether the collector takes the token, and a channel where one is needed: an empty request hears code 5 only then. */
  async check(signal: AbortSignal): Promise<Outcome> {
    const events = await this.#post(EVENTS, Buffer.alloc(0), {}, signal);
    if (events.kind !== 'answer') return events;
    const words = wordsOf(events.answer.body);
    const verdict = this.#classify(events, 1);
    if (verdict.kind === 'retry' || verdict.kind === 'paused') return verdict;
    if (words.code === null) return paused('no-collector', `${events.session.endpoint}: ${NO_COLLECTOR}`);
    if (this.#acks === null) return { kind: 'done', repeated: 0 };
    const acks = await this.#ask(null, [NO_ACK], signal);
    if (acks.kind === 'paused') return acks;
    if (acks.kind === 'told') return { kind: 'done', repeated: 0 };
    return retry('ack-unavailable', `${events.session.endpoint}: it does not tell acknowledgements now`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#acks?.close();
    const { client } = this.#session ?? {};
    this.#session = null;
    await client?.destroy();
  }

  async #deliver(batch: readonly Buffer[], signal: AbortSignal, taken: () => void): Promise<Outcome | Suspect> {
    const { verdict, session } = await this.#events(batch, signal);
    if (verdict.kind !== 'taken') return verdict;
    if (this.#acks === null || session === null) return { kind: 'done', repeated: 0 };
    if (verdict.ackId !== null) return this.#acks.wait(session.channel, verdict.ackId, signal, taken);
    return paused('ack-missing', `${session.endpoint}: ${NOT_ACKNOWLEDGED}`);
  }

  async #events(
    batch: readonly Buffer[],
    signal: AbortSignal,
  ): Promise<{ readonly verdict: Verdict; readonly session: Session | null }> {
    const plain = batch.length === 1 && batch[0] !== undefined ? batch[0] : Buffer.concat(batch);
    const { compression } = this.#config;
    const body = compression ? await compress(plain, { level: GZIP_LEVEL }) : plain;
    const sent = await this.#post(EVENTS, body, compression ? { 'content-encoding': 'gzip' } : {}, signal);
    if (sent.kind !== 'answer') return { verdict: sent, session: null };
    const verdict = this.#classify(sent, batch.length);
    // A proxy answered. Was the collector behind it started again, then this request may have taken the id of one that still waits.
    if (verdict.kind === 'retry' && wordsOf(sent.answer.body).code === null) {
      this.#leave(sent.session);
      this.#acks?.giveUp('ack-lost', `${verdict.message}; the collector may have started again`, sent.session.channel);
    }
    if (verdict.kind === 'taken' && verdict.ackId !== null) this.#acks?.noteId(sent.session.channel, verdict.ackId);
    return { verdict, session: sent.session };
  }

  #classify({ answer, session }: Extract<Sent, { kind: 'answer' }>, count: number): Verdict {
    const indexFromEvent = this.#config.index.from !== null;
    return classify(answer, { endpoint: session.endpoint, count, indexFromEvent, now: Date.now() });
  }

  /** `channel`: null for this socket's own. */
  async #ask(channel: string | null, ids: readonly number[], signal: AbortSignal): Promise<AckAnswer> {
    const headers = { 'content-type': 'application/json', ...(channel === null ? {} : { [CHANNEL]: channel }) };
    const sent = await this.#post(ACKS, Buffer.from(JSON.stringify({ acks: ids })), headers, signal);
    if (sent.kind === 'paused') return sent;
    if (sent.kind !== 'answer') return { kind: 'unknown' };
    const indexed = sent.answer.status === 200 ? indexedOf(sent.answer.body, ids) : null;
    if (indexed !== null) return { kind: 'told', indexed };
    const verdict = this.#classify(sent, 1);
    return verdict.kind === 'paused' ? verdict : { kind: 'unknown' };
  }

  async #post(path: string, body: Buffer, headers: Record<string, string>, signal: AbortSignal): Promise<Sent> {
    const { token, timeout } = this.#config;
    const deadline = AbortSignal.timeout(timeout);
    for (;;) {
      if (this.#session === null) await this.#left;
      if (signal.aborted || this.#closed) return retry('closing', 'given up');
      const session = this.#open();
      const channel = this.#acks === null ? {} : { [CHANNEL]: session.channel };
      const cookie = this.#cookie === null ? {} : { cookie: this.#cookie };
      try {
        const answer = await session.client.request({
          path,
          method: 'POST',
          headers: { authorization: `Splunk ${token}`, ...cookie, ...channel, ...headers },
          body,
          signal: AbortSignal.any([signal, deadline]),
        });
        const { 'retry-after': retryAfter, 'set-cookie': cookies } = answer.headers;
        if (cookies !== undefined) this.#cookie = cookieOf(cookies);
        const text = await answer.body.text();
        this.#failures = 0;
        return {
          kind: 'answer',
          session,
          answer: {
            status: answer.statusCode,
            body: text,
            retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
          },
        };
      } catch (error) {
        this.#leave(session);
        if (signal.aborted || this.#closed) return retry('closing', 'given up');
        if (error instanceof NeverSent && !deadline.aborted) continue;
        return this.#failed(session.endpoint, error, deadline.aborted);
      }
    }
  }

  #open(): Session {
    if (this.#session !== null) return this.#session;
    const { endpoints, tls, timeout } = this.#config;
    const endpoint = endpoints[this.#endpoint] ?? '';
    const client = new Client(new URL(endpoint).origin, {
      connect: connectOnce(tls, Math.min(CONNECT_MS, timeout)),
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0, // each request has a deadline of its own
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      maxResponseSize: MOST_ANSWER,
    });
    const session: Session = { client, channel: randomUUID(), endpoint };
    client.on('disconnect', () => this.#leave(session));
    this.#session = session;
    return session;
  }

  #leave(session: Session): void {
    if (this.#session === session) this.#session = null;
    const { client } = session;
    // What waited behind another request has not been sent.
    const error = client.stats.running === 0 ? new NeverSent('the connection is closed') : null;
    this.#left = client.destroy(error).catch(() => {});
  }

  /** The next collector has never heard of what this one has taken, so all that is open is sent again at once. */
  #failed(endpoint: string, error: unknown, late: boolean): NoAnswer {
    const { endpoints, timeout } = this.#config;
    if (++this.#failures >= FAILURES && endpoints.length > 1) {
      this.#failures = 0;
      this.#cookie = null;
      this.#endpoint = (this.#endpoint + 1) % endpoints.length;
      this.#acks?.giveUp(
        'ack-lost',
        `${endpoint}: the connection is lost, and another collector does not know its acknowledgements`,
      );
    }
    if (late) return retry('timeout', `${endpoint}: no answer within ${timeout / 1000} s`);
    const what = error instanceof Error ? error.message : String(error);
    if (isCertificateError(error)) return paused('certificate', `${endpoint}: ${what}; check sinks.*.tls`);
    return retry('connection', `${endpoint}: ${what}`);
  }
}

const CHANNEL = 'x-splunk-request-channel';
const NOT_ACKNOWLEDGED =
  'it takes events but gives no ackId; switch indexer acknowledgement on for the token, or unset sinks.*.ack.enabled';
const NO_COLLECTOR = 'what answers is no collector; check sinks.*.endpoints';

/** Names and values alone (RFC 6265, section 4.2). When it ends is not kept: a balancer that no longer knows it sets another. */
const cookieOf = (set: string | string[]): string =>
  [set]
    .flat()
    .map((cookie) => cookie.split(';', 1)[0])
    .join('; ');

const retry = (code: string, message: string): Extract<Outcome, { kind: 'retry' }> => ({
  kind: 'retry',
  code,
  message,
  after: null,
});
const paused = (code: string, message: string): Extract<Outcome, { kind: 'paused' }> => ({
  kind: 'paused',
  code,
  message,
  after: null,
});
