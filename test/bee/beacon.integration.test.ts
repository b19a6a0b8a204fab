// `waggle/beacon` in a real browser, loaded from Bee as a page loads it, from another origin.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Beacon, BeaconOptions } from '../../bee/beacon.ts';
import { APP, checkin, serveBee, type ServedBee } from './service/serve-bee.ts';

/** Where Debian puts it; it needs no sandbox of its own in a container, and speaks to nobody but the page. */
const EXECUTABLE = '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

declare global {
  var beacon: Beacon;
  var rejected: string[];
  var dropped: number;
  var createBeacon: (options: BeaconOptions) => Beacon;
}

let pages: Server;
let origin = '';
let browser: BrowserContext;
let profile = '';
let bee: ServedBee;

beforeAll(async () => {
  pages = createServer((request, response) => {
    const script = new URL(request.url ?? '', 'http://page').searchParams.get('bee');
    response.setHeader('content-type', 'text/html');
    response.end(
      script === null
        ? '<!doctype html>nothing'
        : `<!doctype html><script type="module">import { createBeacon } from '${script}/v1/beacon.js'; globalThis.createBeacon = createBeacon;</script>`,
    );
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => pages.once('listening', resolve));
  origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
  profile = mkdtempSync(join(tmpdir(), 'waggle-chromium-'));
  browser = await chromium.launchPersistentContext(profile, { executablePath: EXECUTABLE, headless: true, args: ARGS });
});
afterAll(async () => {
  await browser?.close();
  pages?.close();
  rmSync(profile, { recursive: true, force: true });
});
afterEach(async () => {
  for (const page of browser.pages()) await page.close();
  await bee[Symbol.asyncDispose]();
});

/** A page with a beacon of these options. */
async function open(options: Partial<BeaconOptions>): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${origin}/?bee=${encodeURIComponent(bee.bee.address)}`);
  await page.waitForFunction(() => typeof globalThis.createBeacon === 'function');
  await page.evaluate(
    (all) => {
      globalThis.rejected = [];
      globalThis.dropped = 0;
      globalThis.beacon = globalThis.createBeacon({
        ...all,
        onRejected: ({ id }, code) => globalThis.rejected.push(`${id} ${code}`),
        onDropped: (events) => (globalThis.dropped += events),
      });
    },
    { url: bee.bee.address, key: APP.key, ...options },
  );
  return page;
}
const ids = (): unknown[] => bee.events().map(({ id }) => id);
const numbered = (prefix: string, count: number): Record<string, unknown>[] =>
  Array.from({ length: count }, (_, i) => checkin(`${prefix}-${i}`));
const send = (page: Page, events: readonly object[]): Promise<boolean[]> =>
  page.evaluate((all) => all.map((event) => globalThis.beacon.send(event as { type: string })), events);

test('events go in batches, in their order, each once, and a rejected one is told to the page', async () => {
  bee = await serveBee({ origins: [origin] });
  const page = await open({ storage: 'batches', batch: 10, linger: 50 });
  const events = numbered('a', 25);
  await send(page, [...events, { type: 'no.rule', id: 'bad', data: {} }]);
  await expect.poll(() => page.evaluate(() => globalThis.beacon.waiting())).toBe(0);
  expect(ids()).toEqual(events.map(({ id }) => id));
  expect(bee.agent.levels.length).toBeLessThanOrEqual(4);
  expect(await page.evaluate(() => globalThis.rejected)).toEqual(['bad type-unknown']);
  expect(bee.events()[0]).toMatchObject({ source: '/apps/ios', clockskew: expect.any(Number) as number });
});

test('offline, events wait in localStorage, outlive the page, and are sent once it is online', async () => {
  bee = await serveBee({ origins: [origin] });
  const page = await open({ storage: 'offline', linger: 20 });
  await browser.setOffline(true);
  await send(page, numbered('b', 3));
  await page.evaluate(() => globalThis.beacon.flush());
  expect(await page.evaluate(() => globalThis.beacon.waiting())).toBe(3);
  await page.close();
  await browser.setOffline(false);
  expect(ids()).toEqual([]);
  const later = await open({ storage: 'offline', linger: 20 });
  await expect.poll(() => later.evaluate(() => globalThis.beacon.waiting())).toBe(0);
  expect(ids()).toEqual(['b-0', 'b-1', 'b-2']);
});

test('a page that is left sends what waits as a beacon; the next page sends it again, and nothing is twice', async () => {
  bee = await serveBee({ origins: [origin] });
  const page = await open({ storage: 'leaving', linger: 60_000 });
  await send(page, numbered('c', 3));
  await page.goto(`${origin}/`);
  await expect.poll(ids).toEqual(['c-0', 'c-1', 'c-2']);
  const next = await open({ storage: 'leaving', linger: 20 });
  await expect.poll(() => next.evaluate(() => globalThis.beacon.waiting())).toBe(0);
  expect(ids()).toEqual(['c-0', 'c-1', 'c-2']);
});

test('while the agent is full events wait, and come once it takes them', async () => {
  let isFull = true;
  bee = await serveBee({
    origins: [origin],
    outcome: async () =>
      isFull
        ? { kind: 'refused', reason: 'full', message: '', retryAfter: 1 }
        : { kind: 'accepted', level: 'disk', receipts: [] },
  });
  const page = await open({ storage: 'full', linger: 10 });
  await send(page, numbered('d', 2));
  await page.evaluate(() => globalThis.beacon.flush());
  expect(await page.evaluate(() => globalThis.beacon.waiting())).toBe(2);
  isFull = false;
  await expect.poll(() => page.evaluate(() => globalThis.beacon.waiting()), { timeout: 10_000 }).toBe(0);
  expect(ids()).toEqual(['d-0', 'd-1']);
});

test('the queue is bounded: the oldest go, and the page is told how many', async () => {
  bee = await serveBee({ origins: [origin], agent: 'http://127.0.0.1:1' });
  const page = await open({ storage: 'bounded', limit: 1_000, linger: 60_000 });
  await send(page, numbered('e', 20));
  const { waiting, dropped, kept } = await page.evaluate(() => ({
    waiting: globalThis.beacon.waiting(),
    dropped: globalThis.dropped,
    kept: JSON.parse(localStorage.getItem('bounded.queue') ?? '') as { id: string }[],
  }));
  expect(waiting + dropped).toBe(20);
  expect(waiting).toBeGreaterThan(0);
  expect(kept.map(({ id }) => id)).toEqual(Array.from({ length: waiting }, (_, i) => `e-${20 - waiting + i}`));
  const cyclic = await page.evaluate(() => {
    const data: Record<string, unknown> = {};
    data['self'] = data;
    return globalThis.beacon.send({ type: 'a', data });
  });
  expect(cyclic).toBe(false);
});
