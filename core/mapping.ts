// A sink's own changes of an event's data: members dropped, renamed and set by JSON pointer (RFC 6901) below /data. What is not touched
// keeps its bytes, so numbers keep every digit. The envelope cannot be changed: id and source are what repeats are told by.
//
// Paths go through objects; an array is not entered. Order: every drop, then every rename, then every set, each as the file has them.
// A drop or rename of what is not there does nothing; a rename or set replaces what stands at its path, makes the objects on the way,
// and does nothing where something else than an object stands in its way.
import type { MappingConfig } from './config/sink-config.ts';
import { scanMembers } from './json/members.ts';
import { scanEvents } from './json/scan.ts';

type Value = Buffer | Member[];
interface Member {
  readonly name: string;
  value: Value;
}
type Path = readonly string[];

/** Answers the line (without its line feed) changed, or the line itself where there is nothing to change or it is no JSON object. */
export type LineMapping = (line: Buffer) => Buffer;

export function compileMapping(config: MappingConfig): LineMapping {
  const drops = config.drop.map(pathOf);
  const renames = Object.entries(config.rename).map(([from, to]) => [pathOf(from), pathOf(to)] as const);
  const sets = Object.entries(config.set).map(
    ([path, value]) => [pathOf(path), Buffer.from(JSON.stringify(value))] as const,
  );
  return (line) => {
    const event = open(line);
    if (event === null) return line;
    let changed = false;
    for (const path of drops) changed = take(event, path) !== null || changed;
    for (const [from, to] of renames) {
      const value = canPut(event, to, from) ? take(event, from) : null;
      if (value === null) continue;
      put(event, to, value);
      changed = true;
    }
    for (const [path, value] of sets) {
      if (!canPut(event, path, null)) continue;
      put(event, path, value);
      changed = true;
    }
    if (!changed) return line;
    const pieces: Buffer[] = [];
    write(event, pieces);
    return Buffer.concat(pieces);
  };
}

/** The bytes of the value at this pointer; null where there is none, or the line is no JSON object. */
export function valueAt(line: Buffer, pointer: string): Buffer | null {
  let level = open(line);
  const path = pathOf(pointer);
  for (const [depth, step] of path.entries()) {
    const member = level?.findLast(({ name }) => name === step);
    if (member === undefined) return null;
    if (depth === path.length - 1) return Array.isArray(member.value) ? null : member.value;
    level = enter(member);
  }
  return null;
}

function pathOf(pointer: string): Path {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The members of an object whose bytes are well formed; null where they are no object. */
function open(bytes: Buffer): Member[] | null {
  if (bytes[0] !== 0x7b) return null;
  const scanned = scanEvents(bytes, 'value');
  return scanned.kind === 'refused' || scanned.faults.size > 0 ? null : membersOf(bytes);
}

function membersOf(bytes: Buffer): Member[] {
  const { names, spans } = scanMembers(bytes, 0, bytes.length);
  return names.map((name, m) => ({ name, value: bytes.subarray(spans[3 * m + 1], spans[3 * m + 2]) }));
}

/** The members behind a value, opened in place; null where it is no object. */
function enter(member: Member): Member[] | null {
  if (Array.isArray(member.value)) return member.value;
  if (member.value[0] !== 0x7b) return null;
  return (member.value = membersOf(member.value));
}

/** Removes what stands at the path, every one of that name, and answers the last; null where nothing does. */
function take(members: Member[], path: Path): Value | null {
  const [step, ...rest] = path;
  let taken: Value | null = null;
  for (let i = members.length - 1; i >= 0; i--) {
    const member = members[i] as Member; // within
    if (member.name !== step) continue;
    if (rest.length === 0) {
      taken ??= member.value;
      members.splice(i, 1);
    } else {
      const inner = enter(member);
      const found = inner === null ? null : take(inner, rest);
      taken ??= found;
    }
  }
  return taken;
}

/** Whether only objects stand on the way to the path; `gone` is about to be taken away, and is not in its own way. */
function canPut(members: Member[], path: Path, gone: Path | null): boolean {
  let level: Member[] = members;
  for (const [depth, step] of path.slice(0, -1).entries()) {
    if (gone !== null && gone.length === depth + 1 && gone.every((each, i) => each === path[i])) return true;
    const member = level.findLast(({ name }) => name === step);
    if (member === undefined) return true;
    const inner = enter(member);
    if (inner === null) return false;
    level = inner;
  }
  return true;
}

function put(members: Member[], path: Path, value: Value): void {
  const [step = '', ...rest] = path;
  const at = members.findLastIndex(({ name }) => name === step);
  const member = members[at] ?? { name: step, value: [] };
  if (rest.length > 0) put(enter(member) ?? [], rest, value);
  else member.value = value;
  if (at < 0) members.push(member);
  else if (rest.length === 0 && members.some(({ name }, i) => name === step && i !== at)) {
    members.splice(0, members.length, ...members.filter((each) => each === member || each.name !== step));
  }
}

const OPEN = Buffer.from('{');
const CLOSE = Buffer.from('}');
const COMMA = Buffer.from(',');

function write(value: Value, pieces: Buffer[]): void {
  if (!Array.isArray(value)) {
    pieces.push(value);
    return;
  }
  pieces.push(OPEN);
  for (const [i, member] of value.entries()) {
    if (i > 0) pieces.push(COMMA);
    pieces.push(Buffer.from(`${JSON.stringify(member.name)}:`));
    write(member.value, pieces);
  }
  pieces.push(CLOSE);
}
