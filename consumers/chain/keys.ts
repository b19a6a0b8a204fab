// The names of a log sink's objects: chain records, of which the newest lists first, and data objects under hive partitions.
//
//   record = "_waggle/" sink "/p" partition "/" rank "." ("commit" / "intent") ".json"
//   rank   = 19 digits: 2^63 - 1 - n, so that ascending bytes are descending n; "commit" sorts before "intent" of the same n
//   data   = "type=" type "/dt=" YYYY-MM-DD "/hour=" HH "/" sink "-p" partition "-" n "-" name ".ndjson.zst"   (UTC)
//   n      = 1, 2, 3 … without leading zeros; name = 1*( "a"-"z" / "0"-"9" ), the random name of the intent's creator

/** One chain: a sink's partition, whatever the site. */
export interface ChainId {
  readonly sink: string;
  readonly partition: number;
}

export type RecordKind = 'intent' | 'commit';

/** An hour, counted from the epoch: floor(milliseconds / 3,600,000). */
export type Hour = number;

export interface DataName extends ChainId {
  readonly type: string;
  readonly hour: Hour;
  readonly n: number;
  readonly name: string;
}

const TOP = 2n ** 63n - 1n;
const MS_PER_HOUR = 3_600_000;
const RECORD = /^([0-9]{19})\.(commit|intent)\.json$/;
const DATA =
  /^type=([^/]+)\/dt=([0-9]{4}-[0-9]{2}-[0-9]{2})\/hour=([0-9]{2})\/([^/]+)-p(0|[1-9][0-9]*)-([1-9][0-9]*)-([a-z0-9]+)\.ndjson\.zst$/;

/** Name of a sink in keys. A hyphen cannot make two sinks' names meet, since partition, n and name follow from the right. */
export const sinkPrefix = (sink: string): string => `_waggle/${sink}/`;
export const chainPrefix = (id: ChainId): string => `${sinkPrefix(id.sink)}p${id.partition}/`;
export const hourOf = (ms: number): Hour => Math.floor(ms / MS_PER_HOUR);

export function recordKey(id: ChainId, n: number, kind: RecordKind): string {
  return `${chainPrefix(id)}${(TOP - BigInt(n)).toString().padStart(19, '0')}.${kind}.json`;
}

/** Null where the key is none of this chain's records. */
export function parseRecordKey(id: ChainId, key: string): { readonly n: number; readonly kind: RecordKind } | null {
  const prefix = chainPrefix(id);
  const match = key.startsWith(prefix) ? RECORD.exec(key.slice(prefix.length)) : null;
  if (match === null) return null;
  const n = Number(TOP - BigInt(match[1] ?? '0'));
  if (!Number.isSafeInteger(n) || n < 1) return null;
  return { n, kind: match[2] === 'commit' ? 'commit' : 'intent' };
}

/** `dt=2026-11-23/hour=14`. */
export function hourFolder(hour: Hour): string {
  const iso = new Date(hour * MS_PER_HOUR).toISOString();
  return `dt=${iso.slice(0, 10)}/hour=${iso.slice(11, 13)}`;
}

export function dataKey(data: DataName): string {
  return `type=${data.type}/${hourFolder(data.hour)}/${data.sink}-p${data.partition}-${data.n}-${data.name}.ndjson.zst`;
}

/** Null where the key is no data object. */
export function parseDataKey(key: string): DataName | null {
  const match = DATA.exec(key);
  if (match === null) return null;
  const [, type = '', day = '', hour = '', sink = '', partition = '', n = '', name = ''] = match;
  const ms = Date.parse(`${day}T${hour}:00:00.000Z`);
  if (Number.isNaN(ms) || !Number.isSafeInteger(Number(n))) return null;
  return { type, hour: hourOf(ms), sink, partition: Number(partition), n: Number(n), name };
}
