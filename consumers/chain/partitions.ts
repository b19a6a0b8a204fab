// Which partitions of a sink have a chain in its store, whatever the configuration says now.
import { sinkPrefix } from './keys.ts';
import { list, type Steps } from './operations.ts';

/** Sorts after every character that follows a folder's name. */
const END = '~';
const PARTITION = /^p(0|[1-9][0-9]{0,4})$/;

/** One list of one key for each chain. Order is the keys': 0, 1, 10, 11, 2. */
export function* chainPartitions(sink: string): Steps<readonly number[]> {
  const prefix = `${sinkPrefix(sink)}p`;
  const found: number[] = [];
  for (let after = ''; ;) {
    const [key] = yield* list(prefix, after, 1);
    if (key === undefined) return found;
    const folder = key.slice(sinkPrefix(sink).length).split('/', 1)[0] ?? '';
    const partition = PARTITION.exec(folder)?.[1];
    if (partition !== undefined) found.push(Number(partition));
    after = `${sinkPrefix(sink)}${folder}/${END}`;
  }
}
