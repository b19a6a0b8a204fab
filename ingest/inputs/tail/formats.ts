// What a line is, by the format of its file. Pure. Every line becomes an event: one that is not what its format says, as {"message": …}.
//
//   cri    = TIME " " STREAM " " TAGS " " TEXT             Kubernetes; TAGS begins with P (more of the line follows) or F
//   docker = {"log":TEXT,"stream":STREAM,"time":TIME}      the json-file log driver; more follows where TEXT has no line feed at its end
import { RE2JS } from 're2js';
import type { Line } from './join.ts';

const BLANK = 0x20;
const PARTIAL = 0x50;
const FULL = 0x46;
const CRI_NAME = /([^/]+)_([^/_]+)_([^/]+)-([0-9a-f]{64})\.log$/;
const POD_NAME = /\/([^/_]+)_([^/_]+)_([^/_]+)\/([^/]+)\/\d+\.log/;

/** Null where it does not look like one; so below. */
export function readCri(bytes: Buffer, start: number, end: number, cut: boolean): Line | null {
  const first = bytes.indexOf(BLANK, start);
  const second = first < 0 ? -1 : bytes.indexOf(BLANK, first + 1);
  if (second < 0 || second + 1 >= end) return null;
  const tag = bytes[second + 1];
  const third = bytes.indexOf(BLANK, second + 1);
  const tagEnd = third < 0 || third > end ? end : third;
  if (tag !== PARTIAL && tag !== FULL) return null;
  const time = nanoseconds(bytes.toString('latin1', start, first));
  if (time === null) return null;
  const stream = bytes.toString('latin1', first + 1, second);
  const text = Buffer.from(bytes.subarray(Math.min(tagEnd + 1, end), end));
  return { stream, text, partial: tag === PARTIAL, time, cut };
}

export function readDocker(bytes: Buffer, start: number, end: number, cut: boolean): Line | null {
  let line: unknown;
  try {
    line = JSON.parse(bytes.toString('utf8', start, end));
  } catch {
    return null;
  }
  if (typeof line !== 'object' || line === null || !('log' in line) || typeof line.log !== 'string') return null;
  const stream = 'stream' in line && typeof line.stream === 'string' ? line.stream : '';
  const time = 'time' in line && typeof line.time === 'string' ? nanoseconds(line.time) : null;
  const whole = line.log.endsWith('\n');
  const text = Buffer.from(whole ? line.log.slice(0, line.log.endsWith('\r\n') ? -2 : -1) : line.log);
  return { stream, text, partial: !whole, time, cut };
}

const TIMESTAMP = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

/** Of a timestamp of RFC 3339, since the epoch, exactly; null where it is none. */
export function nanoseconds(text: string): bigint | null {
  const [, whole, fraction = '', zone] = TIMESTAMP.exec(text) ?? [];
  const milliseconds = whole === undefined ? Number.NaN : Date.parse(`${whole}${zone}`);
  if (Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

/** What the name of a container's log says: /var/log/containers/POD_NAMESPACE_CONTAINER-ID.log, /var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log. */
export function containerOf(path: string): Readonly<Record<string, string>> {
  const [, pod, namespace, container, id] = CRI_NAME.exec(path) ?? [];
  if (pod !== undefined && namespace !== undefined && container !== undefined && id !== undefined)
    return { pod, namespace, container, container_id: id };
  const [, space, name, uid, of] = POD_NAME.exec(path) ?? [];
  if (space !== undefined && name !== undefined && uid !== undefined && of !== undefined)
    return { pod: name, namespace: space, container: of, pod_uid: uid };
  return {};
}

/** Compiled once for a configuration. Runs in linear time, whatever the pattern (RE2). Throws an error for people. */
export function compileRegexp(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    throw new Error(`not a regular expression of RE2: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

/** The named groups that took part; null where the line does not match. */
export function readGroups(pattern: RE2JS, text: string): Readonly<Record<string, string>> | null {
  const matcher = pattern.matcher(text);
  if (!matcher.find()) return null;
  const groups: Record<string, string> = {};
  for (const name of Object.keys(pattern.namedGroups())) {
    const value = matcher.group(name);
    if (value !== null && value !== undefined) groups[name] = value;
  }
  return groups;
}
