// Sample events, and how many are in a site's log streams. The mark tells one run's from all others.
import type { ConsumeMessage } from 'amqplib';
import { decodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import { connectAmqp } from '#core/io/amqp.ts';
import { logStream } from '#topology/names.ts';

const DATA: Readonly<Record<string, object>> = {
  'app.opened': { app: 'ios', version: '9.4.1' },
  'card.tapped': { business: 'river-cafe', card: 'nfc' },
  'checkin.visit': { business: 'river-cafe', points: 10 },
  'reward.redeemed': { business: 'book-corner', reward: 'free-coffee', cost: 50 },
  'screen.viewed': { screen: 'rewards', milliseconds: 1840 },
};
const OF_EACH_TYPE = 2;
export const TYPES = Object.keys(DATA);
export const SAMPLES_PER_AGENT = TYPES.length * OF_EACH_TYPE;

/** Posts the samples of one agent; rejects where not all are accepted. */
export async function sendSamples(http: string, mark: string): Promise<void> {
  for (const [type, fields] of Object.entries(DATA)) {
    const data = Array.from({ length: OF_EACH_TYPE }, (_, index) => ({ user: 1000 + index, ...fields, sample: mark }));
    const url = `http://${http}/events/${type}`;
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(data),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await answer.text();
    if (!answer.ok || (JSON.parse(text) as { accepted: number }).accepted !== data.length)
      throw new Error(`POST ${url} answered ${answer.status}: ${text}`);
  }
}

export interface SiteCount extends AsyncDisposable {
  /** Marked events in the site's log streams, a repeat counted once; `federated`: of them, those that came from another site. */
  readonly arrived: number;
  readonly federated: number;
}

/** Follows a site's log streams from now on, as the sink's user: it may read them and nothing else. */
export async function followSite(
  config: Config,
  site: string,
  node: string,
  sink: string,
  mark: string,
): Promise<SiteCount> {
  const connection = await connectAmqp({
    site,
    nodes: [node],
    user: sink,
    password: config.users[sink]?.password ?? '',
    vhost: config.vhost,
    name: 'waggle start: samples',
  });
  const channel = await connection.createChannel();
  await channel.prefetch(100);
  const seen = new Map<string, boolean>();
  const take = ({ content, properties }: ConsumeMessage): void => {
    const { headers = {}, contentType, contentEncoding, messageId } = properties;
    const batch = decodeBatch({ headers, contentType, contentEncoding, messageId, body: content });
    if (batch.kind === 'invalid') return;
    const isFederated = headers['x-received-from'] !== undefined;
    for (const id of markedIds(batch.body, mark)) seen.set(id, isFederated);
  };
  for (let partition = 0; partition < config.log.partitions; partition++) {
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message === null) return;
      take(message);
      channel.ack(message);
    };
    await channel.consume(logStream(partition), onMessage, { arguments: { 'x-stream-offset': 'next' } });
  }
  return {
    get arrived() {
      return seen.size;
    },
    get federated() {
      return [...seen.values()].filter(Boolean).length;
    },
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Ids of the marked events among these lines. */
export function markedIds(lines: Buffer, mark: string): readonly string[] {
  if (!lines.includes(mark)) return [];
  const events = lines
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; data?: { sample?: unknown } });
  return events.filter(({ data }) => data?.sample === mark).map(({ id }) => id);
}
