// Following files: found, read, rotated, truncated, full; with a real spool and real files.
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  copyFileSync,
  writeFileSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { entry, tailing, type Tailing } from './tailing.ts';

let folder = '';
let log = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waggle-tail-'));
  mkdirSync(join(folder, 'logs'));
  log = join(folder, 'logs', 'app.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}\n`).join('');
const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i}`);

/** What came out so far, sorted by number; waits until there are so many. */
async function messages(tail: Tailing, count: number, timeout = 5000): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  await expect
    .poll(
      async () => {
        found.push(...(await tail.data()).map((data) => data['message']));
        return found.length;
      },
      { timeout, interval: 20 },
    )
    .toBeGreaterThanOrEqual(count);
  return found.toSorted((a, b) => Number(String(a).slice(5)) - Number(String(b).slice(5)));
}

const open = (): Promise<Tailing> => tailing(folder, [entry({ paths: [join(folder, 'logs', '*.log')] })]);

it('finds new files within a second, and reads what is added', async () => {
  await using tail = await open();
  const started = performance.now();
  writeFileSync(log, text(1, 3));
  expect(await messages(tail, 3)).toEqual(numbers(1, 3));
  expect(performance.now() - started).toBeLessThan(1500);
  appendFileSync(log, text(4, 5));
  expect(await messages(tail, 2)).toEqual(numbers(4, 5));
  expect(tail.faults).toEqual([]);
});

it('goes on where it was, once and without a gap, after a clean stop and without a file having moved', async () => {
  writeFileSync(log, text(1, 10));
  {
    await using tail = await open();
    expect(await messages(tail, 10)).toEqual(numbers(1, 10));
  }
  appendFileSync(log, text(11, 20));
  await using tail = await open();
  expect(await messages(tail, 10)).toEqual(numbers(11, 20));
});

it('does not take a line before its line feed is there', async () => {
  await using tail = await open();
  writeFileSync(log, 'line 1\nline');
  expect(await messages(tail, 1)).toEqual(['line 1']);
  appendFileSync(log, ' 2\n');
  expect(await messages(tail, 1)).toEqual(['line 2']);
});

it('reads a renamed file to its end, what is still written to it, and the new one', async () => {
  writeFileSync(log, text(1, 3));
  await using tail = await open();
  expect(await messages(tail, 3)).toEqual(numbers(1, 3));
  renameSync(log, `${log}.1`);
  appendFileSync(`${log}.1`, text(4, 5));
  writeFileSync(log, text(6, 8));
  expect(await messages(tail, 5)).toEqual(numbers(4, 8));
  appendFileSync(`${log}.1`, text(9, 9));
  expect(await messages(tail, 1)).toEqual(numbers(9, 9));
});

it('finds what was renamed twice while nobody looked, and leaves what is compressed alone', async () => {
  writeFileSync(log, text(1, 3));
  {
    await using tail = await open();
    expect(await messages(tail, 3)).toEqual(numbers(1, 3));
  }
  appendFileSync(log, text(4, 5));
  renameSync(log, `${log}.2`);
  writeFileSync(`${log}.1`, text(6, 8));
  writeFileSync(`${log}.3.gz`, text(100, 200));
  writeFileSync(log, text(9, 10));
  await using tail = await open();
  expect(await messages(tail, 7)).toEqual(numbers(4, 10));
  expect(await tail.data()).toEqual([]);
});

it('reads the rest of a truncated file out of its copy, running or not', async () => {
  writeFileSync(log, text(1, 300));
  {
    await using tail = await open();
    expect(await messages(tail, 300)).toEqual(numbers(1, 300));
    appendFileSync(log, text(301, 305));
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    appendFileSync(log, text(306, 306));
    expect(await messages(tail, 6)).toEqual(numbers(301, 306));
  }
  appendFileSync(log, text(307, 310));
  renameSync(`${log}.1`, `${log}.2`);
  copyFileSync(log, `${log}.1`);
  truncateSync(log);
  appendFileSync(log, text(311, 900)); // longer than what was read before
  await using tail = await open();
  expect(await messages(tail, 594)).toEqual(numbers(307, 900));
  expect(await tail.data()).toEqual([]);
  expect(tail.truncated).toEqual([]);
});

it('tells an inode that is used again from the file that had it', async () => {
  writeFileSync(log, text(1, 5));
  {
    await using tail = await open();
    expect(await messages(tail, 5)).toEqual(numbers(1, 5));
  }
  unlinkSync(log);
  writeFileSync(log, text(6, 30)); // on most file systems the same inode
  await using tail = await open();
  expect(await messages(tail, 25)).toEqual(numbers(6, 30));
});

it('says what is lost where a file was truncated with no copy', async () => {
  writeFileSync(log, text(1, 5));
  await using tail = await tailing(folder, [entry({ paths: [log] })], { max: 1024 * 1024, keep: 0 });
  expect(await messages(tail, 5)).toEqual(numbers(1, 5));
  truncateSync(log);
  appendFileSync(log, text(6, 6));
  expect(await messages(tail, 1)).toEqual(numbers(6, 6));
  expect(tail.input.status?.()).toMatchObject({ truncated: 1 });
});

it('stops reading while the spool is full, and loses nothing', async () => {
  await using tail = await tailing(folder, [entry({ paths: [log] })], { max: 1024 * 1024, keep: 0 });
  writeFileSync(log, text(1, 6000));
  await expect.poll(() => tail.spool.stats().refusing, { timeout: 5000 }).toBe('full');
  expect(tail.spool.stats().bytes).toBeLessThanOrEqual(1024 * 1024);
  expect(await messages(tail, 6000, 15_000)).toEqual(numbers(1, 6000));
});

it('begins at the end where that is asked for, for good', async () => {
  const files = [entry({ paths: [log], start: 'end' })];
  writeFileSync(log, text(1, 5));
  await (await tailing(folder, files))[Symbol.asyncDispose]();
  appendFileSync(log, text(6, 7));
  await using tail = await tailing(folder, files);
  expect(await messages(tail, 2)).toEqual(numbers(6, 7));
});

it('follows a thousand files with bounded descriptors', { timeout: 60_000 }, async () => {
  for (let i = 1; i <= 1000; i++) writeFileSync(join(folder, 'logs', `many-${i}-a.log`), `line ${i}\n`);
  await using tail = await open();
  expect(await messages(tail, 1000, 30_000)).toEqual(numbers(1, 1000));
  const status = tail.input.status?.() as { readonly files: number; readonly open: number } | undefined;
  expect(status?.files).toBe(1000);
  expect(status?.open).toBeLessThanOrEqual(261);
  for (let i = 1; i <= 1000; i++) appendFileSync(join(folder, 'logs', `many-${i}-a.log`), `line ${1000 + i}\n`);
  expect(await messages(tail, 1000, 30_000)).toEqual(numbers(1001, 2000));
});
