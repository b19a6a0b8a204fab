// The members of an object's first level, as spans: for the envelope of a CloudEvent. The object has been scanned before, so it is well formed.
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FEW = 16;

export interface Members {
  readonly names: readonly string[];
  /** Three offsets a member: the opening quote of its name, the start of its value, the end of its value. */
  readonly spans: readonly number[];
  /** A name that stands twice, or null. */
  readonly duplicate: string | null;
}

/** Structure: 1 opens, 2 closes, 3 a quote. */
const STRUCTURE = new Uint8Array(256);
for (const byte of [0x7b, 0x5b]) STRUCTURE[byte] = 1;
for (const byte of [0x7d, 0x5d]) STRUCTURE[byte] = 2;
STRUCTURE[QUOTE] = 3;

function afterString(buf: Buffer, open: number): number {
  let i = open + 1;
  for (;;) {
    const byte = buf[i];
    if (byte === QUOTE || byte === undefined) return i + 1;
    i += byte === BACKSLASH ? 2 : 1;
  }
}

function afterSpace(buf: Buffer, i: number): number {
  while (buf[i] === 0x20 || buf[i] === 0x09 || buf[i] === 0x0a || buf[i] === 0x0d) i++;
  return i;
}

function afterValue(buf: Buffer, start: number, end: number): number {
  let i = start;
  if (buf[i] === QUOTE) return afterString(buf, i);
  let depth = 0;
  while (i < end) {
    const byte = buf[i] as number; // below end
    const structure = STRUCTURE[byte];
    if (structure === 3) {
      i = afterString(buf, i);
      continue;
    }
    if (structure === 1) depth++;
    else if (structure === 2) {
      if (depth === 0) return i;
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (byte === 0x2c || byte <= 0x20)) return i;
    i++;
  }
  return i;
}

/** True where a JSON string's bytes are its text: printable ASCII without an escape. The span includes the quotes. */
export function isPlainString(buf: Buffer, start: number, end: number): boolean {
  for (let i = start + 1; i < end - 1; i++) {
    const byte = buf[i] as number; // below end
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return false;
  }
  return true;
}

/** Names, types and sources repeat: a text met before at its slot is given again, which spares a string and its hash. */
const SLOTS = 1024;
const MAX_KEPT = 64;
const kept: string[] = Array.from({ length: SLOTS }, () => '');

function keptText(buf: Buffer, start: number, end: number, hash: number): string {
  const slot = hash & (SLOTS - 1);
  const text = kept[slot] as string; // every slot holds one
  if (text.length === end - start) {
    let i = 0;
    while (i < text.length && text.charCodeAt(i) === buf[start + i]) i++;
    if (i === text.length) return text;
  }
  return (kept[slot] = buf.toString('latin1', start, end));
}

/** The text of a JSON string of which the span includes the quotes. */
export function decodeString(buf: Buffer, start: number, end: number): string {
  let hash = end - start;
  for (let i = start + 1; i < end - 1; i++) {
    const byte = buf[i] as number; // below end
    if (byte === BACKSLASH) return String(JSON.parse(buf.toString('utf8', start, end)));
    if (byte >= 0x80) {
      const text = buf.toString('utf8', start, end);
      return text.includes('\\') ? String(JSON.parse(text)) : text.slice(1, -1);
    }
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  if (end - start > MAX_KEPT) return buf.toString('latin1', start + 1, end - 1);
  return keptText(buf, start + 1, end - 1, hash ^ (hash >>> 10));
}

/** `start` is the opening brace of a well-formed object, `end` lies behind its closing one. */
export function scanMembers(buf: Buffer, start: number, end: number): Members {
  const names: string[] = [];
  const spans: number[] = [];
  let many: Set<string> | null = null;
  let duplicate: string | null = null;
  let i = afterSpace(buf, start + 1);
  while (i < end && buf[i] === QUOTE) {
    const nameEnd = afterString(buf, i);
    const name = decodeString(buf, i, nameEnd);
    if (names.length === FEW) many = new Set(names);
    if (many === null ? names.includes(name) : many.has(name)) duplicate ??= name;
    many?.add(name);
    names.push(name);
    const value = afterSpace(buf, afterSpace(buf, nameEnd) + 1);
    const valueEnd = afterValue(buf, value, end);
    spans.push(i, value, valueEnd);
    i = afterSpace(buf, valueEnd);
    if (buf[i] !== 0x2c) break;
    i = afterSpace(buf, i + 1);
  }
  return { names, spans, duplicate };
}
