// `waggle spool` over real folders: it tells what is there, changes nothing unless told to, and never loses what it was given.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSpool } from '../../../ingest/spool/spool.ts';
import { spoolCommand } from '../../../ingest/spool-command/command.ts';
import { configFor } from '../../site-config.ts';
import { chicago } from '../../topology/sites.ts';
import { spoolOptions } from '../spool/options.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waggle-spool-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly code: number | string;
  readonly out: string;
  readonly told: string;
}

async function spool(what: string, options: Record<string, string | boolean> = {}, path = folder): Promise<Outcome> {
  let out = '';
  let told = '';
  const output = {
    print: (text: string | Buffer) => void (out += text.toString()),
    tell: (text: string) => void (told += text),
  };
  return { code: await spoolCommand(configFor([chicago]), what, { path, ...options }, output), out, told };
}

/** `count` events of two types in turn, each synced by itself, the first `confirmed` of them confirmed. */
async function fill(count: number, confirmed = 0, path = folder): Promise<void> {
  await using opened = await openSpool({ ...spoolOptions(path), segment: 16 * 1024 });
  for (let i = 1; i <= count; i++) {
    const payload = Buffer.from(`{"n":${i},"exact":9007199254740993,"pad":"${'x'.repeat(1000)}"}\n`);
    const appended = opened.append([{ type: i % 2 ? 'card.odd' : 'card.even', count: 1, payload }], 'disk');
    if (appended.kind === 'appended') await appended.synced;
  }
  const reader = opened.reader('sites');
  for (;;) {
    const records = await reader.read(1024 * 1024);
    if (records.length === 0) break;
  }
  if (confirmed > 0) reader.confirm(opened.stats().identity, [[1, confirmed]]);
}

const segments = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .toSorted();
const contents = (): Map<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path, readFileSync(path, 'latin1')];
      }),
  );
const numbers = (ndjson: string): number[] =>
  ndjson
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { n: number }).n);

/** Spoils the second record of a segment; answers the number of its event. */
function spoil(file: string): number {
  const path = join(folder, file);
  const bytes = readFileSync(path);
  const second = bytes.indexOf('"n":', bytes.indexOf('"n":') + 4);
  const n = Number.parseInt(bytes.toString('latin1', second + 4, second + 12), 10);
  bytes.fill('#', second, second + 4);
  writeFileSync(path, bytes);
  return n;
}

describe('status', () => {
  test('tells what is there by route', async () => {
    await fill(40, 30);
    const { code, out } = await spool('status');
    expect(code).toBe(0);
    expect(out).toContain('no agent uses it');
    expect(out).toContain('route sites: 30 confirmed, 10 to be sent');
    const json = JSON.parse((await spool('status', { json: true })).out) as { routes: object[]; events: number };
    expect(json).toMatchObject({ holder: null, events: 40, routes: [{ route: 'sites', accepted: 40, imbalance: 0 }] });
  });

  test('works beside an agent, and names it', async () => {
    await fill(10);
    await using _agent = await openSpool({ ...spoolOptions(folder), holder: 'waggle agent host-1, process 4711' });
    const { code, out } = await spool('status');
    expect(code).toBe(0);
    expect(out).toContain('in use by waggle agent host-1, process 4711');
  });

  test('says so where there is no spool', async () => {
    expect(await spool('status', {}, join(folder, 'nowhere'))).toMatchObject({ code: 1, told: /there is no spool at/ });
  });
});

test.each(['check', 'export', 'repair'])('%s refuses while an agent has the folder', async (what) => {
  await fill(3);
  await using _agent = await openSpool({ ...spoolOptions(folder), holder: 'waggle agent host-1, process 4711' });
  const { code, out, told } = await spool(what, { yes: true });
  expect([code, out]).toEqual([1, '']);
  expect(told).toContain('in use by waggle agent host-1, process 4711');
});

test('a folder of a newer waggle is left alone, with what to do', async () => {
  await fill(3);
  const [first = ''] = segments();
  const bytes = readFileSync(join(folder, first));
  bytes.writeUInt16LE(99, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  writeFileSync(join(folder, first), bytes);
  const before = contents();
  for (const what of ['status', 'check', 'export', 'repair'])
    expect(await spool(what, { yes: true })).toMatchObject({ code: 1, told: /newer waggle wrote/ });
  expect(contents()).toEqual(before);
});

describe('check', () => {
  test('a clean folder', async () => {
    await fill(40);
    expect(await spool('check')).toMatchObject({ code: 0, out: /40 of 40 events are good\n$/ });
  });

  test('names file, place and numbers of what is damaged, and changes nothing', async () => {
    await fill(40);
    const n = spoil(segments()[1] ?? '');
    const before = contents();
    const { code, out } = await spool('check');
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`${segments()[1]}: damaged at \\d+, \\d+ bytes: events ${n} are lost`));
    expect(out).toContain('39 of 40 events are good; 1 fault.');
    expect(contents()).toEqual(before);
    const json = JSON.parse((await spool('check', { json: true })).out) as { damages: object[] };
    expect(json.damages).toMatchObject([{ segment: segments()[1], numbers: String(n) }]);
  });
});

describe('export', () => {
  test('every event once, byte for byte, in order', async () => {
    await fill(40, 30);
    const { code, out, told } = await spool('export');
    expect([code, told]).toEqual([0, `40 events of ${folder}\n`]);
    expect(numbers(out)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(out).toContain('"exact":9007199254740993,');
  });

  test('of a type; what is not confirmed; of a time', async () => {
    await fill(40, 30);
    expect(numbers((await spool('export', { type: 'card.even' })).out)).toHaveLength(20);
    expect(numbers((await spool('export', { unconfirmed: true })).out)).toEqual([
      31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    ]);
    expect((await spool('export', { to: '2020-01-01' })).out).toBe('');
    expect(numbers((await spool('export', { from: '2020-01-01' })).out)).toHaveLength(40);
  });
});

describe('repair', () => {
  test('plans first; then writes anew what is damaged, and keeps the original', async () => {
    await fill(40);
    const file = segments()[1] ?? '';
    const n = spoil(file);
    writeFileSync(join(folder, 'cursor.sites'), 'nonsense');
    const before = contents();
    const plan = await spool('repair');
    expect(plan.code).toBe(0);
    expect(plan.out).toMatch(/would be written anew without \d+ bytes; 1 event of it lost/);
    expect(plan.out).toContain('cursor.sites: would be moved to quarantine');
    expect(contents()).toEqual(before);
    expect((await spool('repair', { yes: true })).code).toBe(0);
    expect(readFileSync(join(folder, 'quarantine', file), 'latin1')).toBe(before.get(join(folder, file)));
    expect(readFileSync(join(folder, 'quarantine', 'cursor.sites'), 'utf8')).toBe('nonsense');
    expect(numbers((await spool('export')).out)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1).filter((each) => each !== n),
    );
    // The agent goes on with it, and counts what is lost.
    await using again = await openSpool(spoolOptions(folder));
    const reader = again.reader('sites');
    for (;;) {
      const records = await reader.read(1024 * 1024);
      if (records.length === 0) break;
      for (const { identity, first, count } of records) reader.confirm(identity, [[first, first + count - 1]]);
    }
    await expect
      .poll(() => again.stats().routes[0])
      .toMatchObject({ accepted: 40, confirmed: 39, quarantined: 1, spooled: 0 });
  });

  test('a torn end is told as what it is, and cut off', async () => {
    await fill(20);
    // As a kill leaves it: no clean end, and half a record.
    const file = segments().at(-1) ?? '';
    const bytes = readFileSync(join(folder, file));
    writeFileSync(join(folder, file), bytes.subarray(0, bytes.length - 200));
    const checked = await spool('check');
    expect(checked).toMatchObject({ code: 0, out: /torn at \d+/ });
    await spool('repair', { yes: true });
    expect((await spool('check')).out).not.toContain('torn');
  });

  test('nothing to repair', async () => {
    await fill(3);
    const before = contents();
    expect(await spool('repair', { yes: true })).toMatchObject({ code: 0, out: `${folder}: nothing to repair\n` });
    expect(contents()).toEqual(before);
  });
});

test('a folder that was copied with its lock is read, and nothing holds it', async () => {
  await fill(5);
  const copy = `${folder}-copy`;
  {
    await using _agent = await openSpool(spoolOptions(folder));
    cpSync(folder, copy, { recursive: true, filter: (from) => !from.endsWith('.sock') });
  }
  try {
    expect(await spool('check', {}, copy)).toMatchObject({ code: 0, out: /5 of 5 events are good/ });
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

test('wrong use is told before anything is read', async () => {
  expect((await spool('export', { type: 'a..b' })).code).toMatch(/^--type/);
  expect((await spool('export', { from: 'yesterday' })).code).toMatch(/^--from/);
  expect((await spool('resend')).code).toMatch(/--site names the site/);
  expect((await spool('resend', { site: 'mars' })).code).toMatch(/the sites are chicago/);
});

test('resend plans first, and says where nothing is kept', async () => {
  await fill(40, 40);
  const plan = await spool('resend', { site: 'chicago' });
  expect(plan).toMatchObject({
    code: 0,
    out: /^40 events in \d+ segments \(.* KiB\), accepted since .*would be sent to chicago/,
  });
  expect((await spool('resend', { site: 'chicago', to: '2020-01-01' })).out).toContain('nothing of that time is kept');
});

test('the folders of other workers are looked after with the first', async () => {
  await fill(3);
  await fill(2, 0, join(folder, 'workers/1'));
  await fill(1, 0, join(folder, 'workers/12'));
  const status = await spool('status', { json: true });
  const all = status.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { path: string; events: number });
  expect(all.map(({ path, events }) => [path, events])).toEqual([
    [folder, 3],
    [join(folder, 'workers/1'), 2],
    [join(folder, 'workers/12'), 1],
  ]);
  expect(numbers((await spool('export')).out)).toEqual([1, 2, 3, 1, 2, 1]);
  // One that is in use is told, and the others are done.
  await using _held = await openSpool(spoolOptions(join(folder, 'workers/1')));
  const locked = await spool('export');
  expect(locked.code).toBe(1);
  expect(locked.told).toContain(`${join(folder, 'workers/1')} is in use by`);
  expect(numbers(locked.out)).toEqual([1, 2, 3, 1]);
});
