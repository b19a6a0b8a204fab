import type { Channel } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Config } from '#core/config/config.ts';
import { decodeBatch, encodeBatch } from '#core/batch.ts';
import { startTwoSites, until, type TwoSites } from '../containers.ts';
import { batchOf, byHand, connectAs, publishBatches, run } from './broker.ts';
import { queueSink } from './sites.ts';

let sites: TwoSites;
const withSink = (home = 'chicago', match: readonly string[] = ['checkin.*', 'app.**']): Config =>
  sites.config({ sinks: [queueSink('search', home, { match, connections: 2 })] });

beforeAll(async () => {
  sites = await startTwoSites();
  const declared = await run('declare', withSink());
  expect(declared.text).toContain('ok   link us-east-1 -> chicago: running');
  expect(declared.code).toBe(0);
});
afterAll(() => sites?.[Symbol.asyncDispose]());

/** Types of the batches in the sink's queue, taken out of it; resolves once there are `count`. */
async function taken(config: Config, count: number): Promise<readonly string[]> {
  const connection = await connectAs(config, sites.chicago.config, 'search');
  try {
    const channel = await connection.createChannel();
    const types: string[] = [];
    await channel.consume('sink.search', (message) => {
      if (!message) return;
      const batch = decodeBatch({
        ...message.properties,
        headers: message.properties.headers ?? {},
        body: message.content,
      });
      types.push(batch.kind === 'batch' ? batch.type : batch.kind);
      channel.ack(message);
    });
    await until(`${count} batches`, () => types.length >= count);
    // Acks that are on their way when the connection is closed are lost: the channel first.
    await channel.close();
    return types.toSorted();
  } finally {
    await connection.close();
  }
}

const counts = async (queue: string): Promise<unknown> => {
  const found = (await byHand(sites.chicago.config).get(`/api/queues/%2F/${queue}`)) as { messages?: number } | null;
  return found?.messages;
};

test('declare makes it whole at once: nothing differs after it, and verify agrees', async () => {
  expect((await run('plan', withSink())).text).toContain('nothing differs');
  expect(await run('verify', withSink())).toMatchObject({ code: 0 });
  const [queue, permit] = (await Promise.all(
    ['sink.search', 'sink.search.permit-1'].map((name) => byHand(sites.chicago.config).get(`/api/queues/%2F/${name}`)),
  )) as Record<string, unknown>[];
  expect(queue).toMatchObject({ type: 'quorum', effective_policy_definition: { 'delivery-limit': -1 } });
  expect(permit).toMatchObject({
    type: 'quorum',
    effective_policy_definition: { 'delivery-limit': -1, 'consumer-timeout': 86_400_000 },
  });
  expect(await byHand(sites.east.config).get('/api/queues/%2F/sink.search')).toBeNull();
});

test('the queue takes what match names: from both sites and mirrored', async () => {
  const config = withSink();
  // What the probes of verify brought is not there: no pattern names waggle.**.
  await publishBatches(
    config,
    sites.chicago.config,
    ['checkin.new', 'checkin', 'app', 'other'].map((type) => batchOf(1, 0, type)),
  );
  await publishBatches(config, sites.east.config, [batchOf(1, 0, 'app.from.east')]);
  await publishBatches(config, sites.chicago.config, [batchOf(1, 0, 'app.mirrored')], 'events.mirror');
  await publishBatches(config, sites.east.config, [batchOf(1, 0, 'app.mirrored.there')], 'events.mirror');
  expect(await taken(config, 4)).toEqual(['app', 'app.from.east', 'app.mirrored', 'checkin.new']);
});

test('an operator replays to the queue, resolves and reads dead letters; a sink’s queue it does not read', async () => {
  const config = withSink();
  const connection = await connectAs(config, sites.chicago.config, 'operator');
  try {
    const channel = await connection.createConfirmChannel();
    const { body, contentEncoding: _, ...properties } = encodeBatch(batchOf(1, 0, 'replayed'), 'identity');
    channel.publish('sink', 'search', body, { ...properties, mandatory: true, persistent: true });
    channel.publish('events.dead', '', Buffer.from('resolved'), { mandatory: true, persistent: true });
    await channel.waitForConfirms();
    expect(await taken(config, 1)).toEqual(['replayed']);
    await channel.prefetch(10);
    for (const stream of ['events.dead-letters', 'events.log-0']) {
      await channel.consume(stream, () => {}, { arguments: { 'x-stream-offset': 'first' } });
    }
    const refused = new Promise<Error>((resolve) => channel.on('error', resolve));
    await expect(channel.consume('sink.search', () => {})).rejects.toThrow('ACCESS_REFUSED');
    expect((await refused).message).toContain('ACCESS_REFUSED');
  } finally {
    await connection.close();
  }
});

test('a permit is one message: a missing one is put back, a held one counts, a second one is dropped', async () => {
  const config = withSink();
  const api = byHand(sites.chicago.config);
  const connection = await connectAs(config, sites.chicago.config, 'search');
  const channel: Channel = await connection.createChannel();
  await channel.prefetch(1);
  const held = await new Promise<() => void>((resolve) => {
    void channel.consume('sink.search.permit-1', (message) => {
      if (message) resolve(() => channel.ack(message));
    });
  });
  await until('counted', async () => (await counts('sink.search.permit-1')) === 1);
  expect((await run('plan', config)).text).toContain('nothing differs');
  held();
  await channel.close();
  await connection.close();
  await until('taken away', async () => (await counts('sink.search.permit-1')) === 0);
  const plan = await run('plan', config);
  expect(plan).toMatchObject({ code: 2, text: expect.stringContaining('+ permit sink.search.permit-1') });
  expect(await run('declare', config)).toMatchObject({ code: 0 });
  expect(await counts('sink.search.permit-1')).toBe(1);
  for (let again = 0; again < 3; again++) {
    await api.send('POST', '/api/exchanges/%2F/amq.default/publish', {
      properties: { delivery_mode: 2 },
      routing_key: 'sink.search.permit-1',
      payload: 'permit',
      payload_encoding: 'string',
    });
  }
  const counting = await connectAs(config, sites.chicago.config, 'topology');
  const { messageCount } = await (await counting.createChannel()).checkQueue('sink.search.permit-1');
  await counting.close();
  expect(messageCount).toBe(1);
});

test('another match is put in force: new bindings first, then those that it does not name go', async () => {
  const config = withSink('chicago', ['other.*', 'app.**']);
  expect((await run('plan', config)).text).toContain('- binding events -> queue sink.search, key "checkin.*"');
  expect(await run('declare', config)).toMatchObject({ code: 0 });
  await publishBatches(
    config,
    sites.chicago.config,
    ['checkin.new', 'other.new', 'app.last'].map((type) => batchOf(1, 0, type)),
  );
  expect(await taken(config, 2)).toEqual(['app.last', 'other.new']);
});

test('a sink that moved is told at both sites, and its old queue keeps what it holds', async () => {
  const moved = withSink('us-east-1', ['other.*', 'app.**']);
  await publishBatches(moved, sites.chicago.config, [batchOf(1, 0, 'app.before')]);
  await until('counted', async () => (await counts('sink.search')) === 1);
  const declared = await run('declare', moved);
  expect(declared.code).toBe(2);
  expect(declared.text).toContain('? queue sink.search: the home of the sink search is us-east-1 now');
  expect(declared.text).toContain('? queue sink.search.permit-1: ');
  const found = (await byHand(sites.east.config).get('/api/queues/%2F/sink.search')) as { policy?: string };
  expect(found.policy).toBe('waggle.sink');
  expect(await taken(moved, 1)).toEqual(['app.before']);
});
