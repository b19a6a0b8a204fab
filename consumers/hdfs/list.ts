// Keys of a tree of folders in the order of bytes, read by pages, and no more of it than is asked for.
import { afterIn, byBytes, isHidden, seek } from './encode.ts';

export interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** Folders are keys that end in a slash; '' is the root. */
export interface Tree {
  /** Entries that sort after this name, ascending by bytes; `more` where others follow. Of what is no folder: none. */
  page(folder: string, after: string): Promise<{ readonly entries: readonly Entry[]; readonly more: boolean }>;
  /** Null where it is absent. */
  entry(folder: string, name: string): Promise<Entry | null>;
}

/** What vanishes or appears meanwhile may or may not be in it. */
export function walk(tree: Tree, prefix: string, after: string): AsyncGenerator<string> {
  const start = prefix.lastIndexOf('/') + 1;
  return walkFolder(tree, prefix.slice(0, start), prefix.slice(start), after);
}

async function* walkFolder(tree: Tree, folder: string, start: string, after: string): AsyncGenerator<string> {
  const rest = afterIn(folder, after);
  if (rest === null) return;
  for await (const { name, isFolder } of inKeyOrder(entries(tree, folder, start, rest))) {
    const key = folder + name;
    if (isFolder) yield* walkFolder(tree, `${key}/`, '', after);
    else if (byBytes(key, after) > 0) yield key;
  }
}

/** Ascending by bare names. */
async function* entries(tree: Tree, folder: string, start: string, rest: string): AsyncGenerator<Entry> {
  const from = seek(start, rest);
  if (from === null) return;
  for (const entry of await Promise.all(from.exact.map((name) => tree.entry(folder, name))))
    if (entry !== null && !isHidden(entry.name)) yield entry;
  for (let after = from.after, more = true; more;) {
    const page = await tree.page(folder, after);
    for (const entry of page.entries) {
      if (!entry.name.startsWith(start)) return;
      if (!isHidden(entry.name)) yield entry;
    }
    after = page.entries.at(-1)?.name ?? after;
    more = page.more;
  }
}

/** A folder waits until nothing can follow that sorts before its slash. Those that wait are each the beginning of the next. */
async function* inKeyOrder(sorted: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  const waiting: Entry[] = [];
  for await (const entry of sorted) {
    for (let top = waiting.at(-1); top !== undefined && byBytes(`${top.name}/`, entry.name) < 0; top = waiting.at(-1)) {
      waiting.pop();
      yield top;
    }
    if (entry.isFolder) waiting.push(entry);
    else yield entry;
  }
  yield* waiting.toReversed();
}
