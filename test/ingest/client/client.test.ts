// The client of applications: it never waits, throws or grows, and the books of what it took balance.
import { expect, it } from 'vitest';
import { createClient, type Client, type DropReason } from '../../../ingest/client/client.ts';
import { serve } from '../inputs/http/serve.ts';
import { front } from './front.ts';

const idOf = (line: string): unknown => (JSON.parse(line) as { readonly id: unknown }).id;
const sum = (client: Client): number => {
  const { delivered, queued, dropped } = client.stats();
  return delivered + queued + Object.values(dropped).reduce((all, count) => all + count, 0);
};

it('delivers what is logged, in order, with ids and times of its own', async () => {
  await using served = await serve();
  const client = createClient({ url: served.input.address, source: '/shop/web' });
  for (let n = 0; n < 1200; n++) client.log('cart.changed', { n });
  client.log('cart.paid', { ü: '"' }, new Date(0));
  expect(await client.flush()).toBe(true);
  const events = served.lines().map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(events.slice(0, -1).map((event) => (event['data'] as { n: number }).n)).toEqual(
    Array.from({ length: 1200 }, (_, n) => n),
  );
  expect(events.at(-1)).toMatchObject({
    type: 'cart.paid',
    source: '/shop/web',
    time: '1970-01-01T00:00:00.000Z',
    data: { ü: '"' },
  });
  expect(new Set(events.map((event) => event['id'])).size).toBe(1201);
  expect(client.stats()).toMatchObject({ delivered: 1201, queued: 0, queuedBytes: 0, trouble: null });
  expect(await client.close()).toBe(true);
});

it('throws nothing into the application, and counts what has no JSON', async () => {
  const drops: [DropReason, number][] = [];
  const client = createClient({
    url: 'http://127.0.0.1:1',
    onDrop: (reason, count) => {
      drops.push([reason, count]);
      throw new Error('of the application');
    },
  });
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  client.log('a', cycle);
  client.log('a', { big: 1n });
  client.log('a', {
    get bad() {
      throw new Error('a getter');
    },
  });
  client.log('a', [1]);
  client.log('a', { fine: true }, new Date(Number.NaN));
  expect(drops).toEqual(Array.from({ length: 5 }, () => ['unserialisable', 1]));
  expect(await client.close(10)).toBe(true);
  client.log('a', { late: true });
  expect(client.stats().dropped).toEqual({ full: 0, refused: 0, unserialisable: 5, closed: 1 });
});

it('is bounded in bytes while there is no agent, and its books balance', async () => {
  const client = createClient({ url: 'http://127.0.0.1:1', maxBytes: 100_000 });
  for (let n = 0; n < 5000; n++) client.log('a.b', { n, text: 'x'.repeat(100) });
  await expect.poll(() => client.stats().retries).toBeGreaterThan(1);
  expect(client.stats().queuedBytes).toBeLessThanOrEqual(100_000);
  expect(client.stats().dropped.full).toBeGreaterThan(4000);
  expect(client.stats().trouble).toMatch(/ECONNREFUSED|bad port|connect/);
  expect(sum(client)).toBe(5000);
  expect(await client.close(50)).toBe(false);
  expect(client.stats().dropped.closed).toBeGreaterThan(0);
  expect(sum(client)).toBe(5000);
});

it('sends again under the same ids where an answer is lost', async () => {
  await using served = await serve();
  await using agent = await front(served.input.address, ['lose', 'lose']);
  await using client = createClient({ url: agent.url });
  client.log('a', { n: 1 });
  client.log('a', { n: 2 });
  expect(await client.flush()).toBe(true);
  const lines = served.lines();
  expect(lines.length).toBe(6);
  expect(new Set(lines.map((line) => idOf(line))).size).toBe(2);
  expect(client.stats()).toMatchObject({ delivered: 2, retries: 2 });
});

it('comes back when an agent says, and goes on after 503', async () => {
  await using served = await serve();
  await using agent = await front(served.input.address, [
    { status: 429, retryAfter: '1' },
    { status: 503, retryAfter: null },
  ]);
  await using client = createClient({ url: agent.url });
  client.log('a', { n: 1 });
  expect(await client.flush()).toBe(true);
  const [first, second] = agent.requests;
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990);
  expect(served.lines().length).toBe(1);
});

it('counts what is refused for good, and delivers its neighbours', async () => {
  await using served = await serve();
  const drops: string[] = [];
  await using client = createClient({
    url: served.input.address,
    onDrop: (reason, count, message) => drops.push(`${reason} ${count} ${message}`),
  });
  client.log('good', { n: 1 });
  client.log('not a type', { n: 2 });
  client.log('good', { n: 3 });
  expect(await client.flush()).toBe(true);
  expect(client.stats()).toMatchObject({ delivered: 2, dropped: { refused: 1 } });
  expect(drops).toEqual([expect.stringMatching(/^refused 1 The type must be words/) as string]);
});

it('sends in parts what is too large as a whole', async () => {
  await using served = await serve({ maxBody: 20_000 });
  await using client = createClient({ url: served.input.address });
  for (let n = 0; n < 300; n++) client.log('a', { n, text: 'x'.repeat(300) });
  client.log('a', { text: 'x'.repeat(30_000) });
  expect(await client.flush()).toBe(true);
  expect(client.stats()).toMatchObject({ delivered: 300, dropped: { refused: 1 } });
});
