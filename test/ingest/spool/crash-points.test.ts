// Killed at each named step of writing, rolling, reading, confirming and deleting, and started again: contiguous ids, nothing acknowledged is
// lost, no number means two events, and what an input noted is never ahead of, nor behind, what was taken.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { imbalance } from '../../../ingest/ledger.ts';
import { crashDisk, crashSteps } from '../../../ingest/spool/crash-disk.ts';
import { nodeDisk } from '../../../ingest/spool/node-disk.ts';
import { openSpool } from '../../../ingest/spool/spool.ts';
import { spoolOptions } from './options.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'waggle-crash-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

class Books {
  readonly acknowledged = new Set<number>();
  /** Content by identity and number. */
  readonly numbered = new Map<string, Map<number, number>>();

  handedOut(identity: string, first: number, contents: readonly number[]): void {
    let numbers = this.numbered.get(identity);
    if (!numbers) this.numbered.set(identity, (numbers = new Map()));
    for (const [at, n] of contents.entries()) {
      if ((numbers.get(first + at) ?? n) !== n) throw new Error(`${identity}:${first + at} means two events`);
      numbers.set(first + at, n);
    }
  }
}

/** Runs the child until the step kills it. */
async function crash(step: string, start: number, books: Books): Promise<void> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'crash-child.ts'), folder, String(start)], {
    env: { ...process.env, WAGGLE_CRASH_AT: step },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [out, [, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  expect(signal, `${step} was never reached`).toBe('SIGKILL');
  for (const line of out.split('\n')) {
    const [kind, ...words] = line.split(' ');
    if (kind === 'a') books.acknowledged.add(Number(words[0]));
    if (kind === 'd') books.handedOut(words[0] ?? '', Number(words[1]), JSON.parse(words[2] ?? '') as number[]);
  }
}

it.each(crashSteps)('killed at %s, twice in a row', { timeout: 20_000 }, async (step) => {
  const books = new Books();
  for (const [round, times] of [1, 3].entries()) await crash(`${step}:${times}`, 10_000 * (round + 1), books);
  await using spool = await openSpool(spoolOptions(folder));
  const noted = Number(spool.notes().get('file') ?? 0);
  const reader = spool.reader('sites');
  for (;;) {
    const records = await reader.read(1024 * 1024);
    if (records.length === 0) break;
    for (const { identity, first, payload } of records) {
      const contents = Array.from(payload.toString().matchAll(/"n":(\d+)/g), ([, n]) => Number(n));
      books.handedOut(identity, first, contents);
      reader.confirm(identity, [[first, first + contents.length - 1]]);
    }
  }
  const contents = [...books.numbered.values()].flatMap((numbers) => [...numbers.values()]);
  expect(new Set(contents).size).toBe(contents.length); // no event has two numbers
  expect([...books.acknowledged].filter((n) => !contents.includes(n))).toEqual([]);
  for (const numbers of books.numbered.values()) expect(Math.max(...numbers.keys())).toBe(numbers.size);
  expect(noted).toBe(Math.max(0, ...contents));
  for (const route of spool.stats().routes) {
    expect(imbalance(route)).toBe(0);
    expect(route).toMatchObject({ spooled: 0, quarantined: 0 });
  }
});

const die = (): never => {
  throw new Error('died');
};

it('a step that is none is refused with those there are', () => {
  expect(() => crashDisk(nodeDisk, 'segment.nowhere', die)).toThrow(/no such step; the steps are segment\.create, /);
  expect(crashDisk(nodeDisk, undefined, die)).toBe(nodeDisk);
});
