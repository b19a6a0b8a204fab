// 50,000 lines over 30 rotations of both kinds, the process killed in between: each line once. And logrotate itself.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSpool } from '../../../../ingest/spool/spool.ts';
import { spoolOptions } from '../../spool/options.ts';
import { entry, tailing } from './tailing.ts';

const LINES = 50_000;
const ROTATIONS = 30;
const KEPT = 6;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'waggle-rotation-'));
  mkdirSync(join(folder, 'logs'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'tail-child.ts'), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** As logrotate does: `copytruncate`, or else a new file of the name; the oldest is compressed, and then goes. */
function rotate(log: string, copies: boolean): void {
  const oldest = `${log}.${KEPT}`;
  if (existsSync(oldest)) {
    writeFileSync(`${log}.${KEPT + 1}.gz`, gzipSync(oldest));
    rmSync(oldest);
  }
  for (let i = KEPT - 1; i >= 1; i--) if (existsSync(`${log}.${i}`)) renameSync(`${log}.${i}`, `${log}.${i + 1}`);
  if (copies) {
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
  } else {
    renameSync(log, `${log}.1`);
    writeFileSync(log, '');
  }
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `2026-11-26 INFO line ${from + i} of the log\n`).join('');

/** How often each line is in the spool. */
async function counts(): Promise<Map<number, number>> {
  const seen = new Map<number, number>();
  await using spool = await openSpool(spoolOptions(join(folder, 'spool')));
  const reader = spool.reader('sites');
  for (;;) {
    const records = await reader.read(1024 * 1024);
    if (records.length === 0) return seen;
    for (const { payload } of records)
      for (const [, number] of payload.toString('utf8').matchAll(/INFO line (\d+) of/g))
        seen.set(Number(number), (seen.get(Number(number)) ?? 0) + 1);
  }
}

it('loses no line and repeats none, over 30 rotations of both kinds and kills', { timeout: 120_000 }, async () => {
  const log = join(folder, 'logs', 'app.log');
  let child = await start();
  let written = 0;
  let kills = 0;
  const perRotation = Math.ceil(LINES / ROTATIONS);
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const end = Math.min(LINES, written + perRotation);
    for (const until of [written + Math.floor((end - written) / 3), end]) {
      appendFileSync(log, lines(written, until));
      written = until;
      // Read by a running agent, in part; by none; or by one that is killed at some place in it.
      if (rotation % 3 !== 1) await new Promise((resolve) => setTimeout(resolve, 40 * (rotation % 4)));
    }
    const isKilled = rotation % 3 === 2;
    if (isKilled) await kill(child);
    rotate(log, rotation % 2 === 0);
    if (isKilled) {
      kills++;
      if (rotation % 2 === 1) {
        // Twice while nobody looks.
        appendFileSync(log, lines(written, written + 7));
        written += 7;
        rotate(log, rotation % 4 === 1);
      }
      child = await start();
    }
  }
  await kill(child);
  child = await start();
  // What is left is read within a second or two: two looks at the names without anything new.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await kill(child);
  const seen = await counts();
  const lost = Array.from({ length: written }, (_, i) => i).filter((i) => !seen.has(i));
  const repeated = Array.from(seen).filter(([, count]) => count > 1);
  expect(kills).toBeGreaterThanOrEqual(10);
  expect({ lost: lost.length, repeated: repeated.length, first: lost[0] ?? repeated[0] ?? null }).toEqual({
    lost: 0,
    repeated: 0,
    first: null,
  });
  expect(seen.size).toBe(written);
});

it.each(['copytruncate', 'create', 'create\n  dateext\n  dateformat -%Y%m%d-%s'])(
  'follows logrotate (%s)',
  { timeout: 60_000 },
  async (how) => {
    const own = mkdtempSync(join(tmpdir(), 'waggle-logrotate-'));
    const log = join(own, 'app.log');
    const config = join(own, 'rotate.conf');
    writeFileSync(config, `${log} {\n  size 1\n  rotate 20\n  delaycompress\n  compress\n  ${how}\n}\n`, {
      mode: 0o644,
    });
    const seen: unknown[] = [];
    {
      await using tail = await tailing(own, [entry({ paths: [log] })]);
      for (let round = 0; round < 5; round++) {
        appendFileSync(log, lines(round * 100, round * 100 + 100));
        const child = spawn('/usr/sbin/logrotate', ['-f', '-s', join(own, 'state'), config], { stdio: 'inherit' });
        expect(await once(child, 'exit')).toEqual([0, null]);
        const second = Math.floor(Date.now() / 1000); // dateformat has no finer ones
        await expect
          .poll(
            async () => {
              seen.push(...(await tail.data()).map((data) => data['message']));
              return seen.length;
            },
            { timeout: 10_000 },
          )
          .toBe(round * 100 + 100);
        await expect.poll(() => Math.floor(Date.now() / 1000), { timeout: 2000 }).toBeGreaterThan(second);
      }
      expect(new Set(seen).size).toBe(500);
    }
    rmSync(own, { recursive: true, force: true });
  },
);
