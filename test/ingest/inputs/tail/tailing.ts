// A tail input over a real spool in a folder, read back; and what tests look at.
import { randomFillSync } from 'node:crypto';
import { join } from 'node:path';
import type { TailFileConfig } from '#core/config/input-config.ts';
import { createAccept } from '../../../../ingest/accept.ts';
import type { Input } from '../../../../ingest/inputs/contract.ts';
import { createTailInput } from '../../../../ingest/inputs/tail/tail.ts';
import { SiteWaiters } from '../../../../ingest/publish/waiters.ts';
import type { Spool, SpoolReader } from '../../../../ingest/spool/contract.ts';
import { openSpool, type SpoolOptions } from '../../../../ingest/spool/spool.ts';
import { spoolOptions } from '../../spool/options.ts';

export const entry = (over: Partial<TailFileConfig>): TailFileConfig => ({
  paths: [],
  type: 'app.log',
  format: 'plain',
  pattern: null,
  multiline: null,
  start: 'beginning',
  maxLine: 64 * 1024,
  pathField: '',
  ...over,
});

export interface Tailing extends AsyncDisposable {
  readonly spool: Spool;
  readonly input: Input;
  readonly faults: readonly unknown[];
  readonly truncated: readonly string[];
  /** The data of all events that were not read yet. They are confirmed. */
  readonly data: () => Promise<readonly Readonly<Record<string, unknown>>[]>;
  readonly events: () => Promise<readonly Readonly<Record<string, unknown>>[]>;
}

export async function tailing(
  folder: string,
  files: readonly TailFileConfig[],
  over: Partial<SpoolOptions> = {},
): Promise<Tailing> {
  const spool = await openSpool({ ...spoolOptions(join(folder, 'spool')), ...over });
  const reader: SpoolReader = spool.reader('sites');
  const faults: unknown[] = [];
  const truncated: string[] = [];
  const input = await createTailInput(files, {
    accept: createAccept({
      spool,
      waiters: [new SiteWaiters(1000)],
      clock: Date.now,
      drainRate: () => 1e9,
      segment: 1024,
    }),
    types: [],
    site: 'chicago',
    host: 'api-1',
    clock: Date.now,
    random: randomFillSync,
    observe: {
      accepted: () => undefined,
      refused: () => undefined,
      lost: () => undefined,
      closed: () => undefined,
      fault: (error) => faults.push(error),
    },
    notes: () => spool.notes(),
    truncated: (path) => truncated.push(path),
  });
  const events = async (): Promise<Readonly<Record<string, unknown>>[]> => {
    const lines: Readonly<Record<string, unknown>>[] = [];
    for (;;) {
      const records = await reader.read(1024 * 1024);
      if (records.length === 0) return lines;
      for (const { identity, first, count, payload } of records) {
        for (const line of payload.toString('utf8').split('\n').slice(0, -1))
          lines.push(JSON.parse(line) as Readonly<Record<string, unknown>>);
        reader.confirm(identity, [[first, first + count - 1]]);
      }
    }
  };
  return {
    spool,
    input,
    faults,
    truncated,
    events,
    data: async () => (await events()).map((event) => event['data'] as Readonly<Record<string, unknown>>),
    [Symbol.asyncDispose]: async () => {
      await input[Symbol.asyncDispose]();
      await spool[Symbol.asyncDispose]();
    },
  };
}
