// What must hold of all that a model world ever wrote, by its records and by its data objects alone.
import { parseDataKey, parseRecordKey } from '../../../consumers/chain/keys.ts';
import { decodeCommit, decodeIntent } from '../../../consumers/chain/record-codec.ts';
import { SEAL } from '../../../consumers/chain/seal.ts';
import { each, END, HORIZON, isFiltered, SKEW } from './model-streams.ts';
import type { World } from './model.ts';

/** What is wrong with what was written; empty where all is well. */
export function judge(world: World): string[] {
  const faults = [...world.faults];
  const written = new Map<string, number>();
  const committed = new Set<string>();
  const skipped = new Set<string>();
  for (const [key, bytes] of world.history) {
    const record = parseRecordKey(world.settings, key);
    if (record?.kind === 'commit') {
      const commit = decodeCommit(world.settings, record.n, key, bytes);
      if (commit.snapshot !== null) world.counts.snapshots++;
      for (const object of commit.objects) {
        if (committed.has(object.key)) faults.push(`${object.key} is in two commits`);
        committed.add(object.key);
        const lines = world.history.get(object.key)?.toString().split('\n').length;
        if (lines !== object.count) faults.push(`${object.key} holds ${lines} lines, its commit says ${object.count}`);
      }
      for (const [identity, numbers] of commit.adds)
        for (const number of each(numbers)) skipped.add(`${identity}:${number}`);
    }
    if (record?.kind === 'intent' && world.history.has(key.replace('.intent.', '.commit.')))
      for (const object of decodeIntent(world.settings, record.n, key, bytes).objects)
        if (!world.history.has(object.key))
          faults.push(`${object.key} is neither data nor seal, but its intent is committed`);
  }
  for (const [key, bytes] of world.history) {
    if (parseDataKey(key) === null || bytes.length === SEAL.length) continue;
    if (!committed.has(key)) faults.push(`${key} holds data, but is in no commit`);
    for (const line of bytes.toString().split('\n')) written.set(line, (written.get(line) ?? 0) + 1);
  }
  for (const message of world.streams.a)
    for (let number = message.first; number <= message.last; number++) {
      const event = `${message.identity}:${number}`;
      const times = written.get(event) ?? 0;
      const wanted = isFiltered(message.identity, number) ? 0 : 1;
      if (times > wanted) faults.push(`${event} was written ${times} times`);
      if (times < wanted && !world.dead.has(event)) faults.push(`${event} was lost`);
      if (times === 0 && !skipped.has(event)) faults.push(`${event} was skipped without a trace`);
      if (world.dead.has(event) && (world.births.get(message.identity) ?? 0) > END - HORIZON + SKEW)
        faults.push(`${event} is young, and was given up`);
    }
  return faults;
}
