// The JSON pointer (RFC 6901) of a byte in a document. Slow, and used on refusals only; what stands before the byte is well formed.

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Pointers stay readable: deeper levels and longer text are cut off, so a pointer may name an ancestor of the place. */
const MAX_LEVELS = 64;
const MAX_LENGTH = 512;

/** A member's name as one step of a pointer, with its slash. */
export const pointerStep = (name: string | number): string =>
  `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;

function stringEnd(buf: Buffer, open: number, end: number): number {
  let i = open + 1;
  while (i < end && buf[i] !== QUOTE) i += buf[i] === BACKSLASH ? 2 : 1;
  return Math.min(i + 1, end);
}

function decodeName(buf: Buffer, start: number, end: number): string {
  const text = buf.toString('utf8', start, end);
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}

/** Of the value that starts at or around `at`; the document starts at `start`. A fault in a member's name gives the object. */
export function pointerAt(buf: Buffer, start: number, at: number): string {
  // For each open level: the index in an array, the name in an object, null before the first name.
  const path: (string | number | null)[] = [];
  let named = true; // a string now would be a value
  let i = start;
  while (i < at) {
    const byte = buf[i];
    if (byte === QUOTE) {
      const end = stringEnd(buf, i, buf.length);
      if (end > at) break;
      if (!named) {
        path[path.length - 1] = decodeName(buf, i, end);
        named = true;
      }
      i = end;
      continue;
    }
    if (byte === 0x7b) {
      path.push(null);
      named = false;
    } else if (byte === 0x5b) {
      path.push(0);
      named = true;
    } else if (byte === 0x5d || byte === 0x7d) {
      path.pop();
      named = true;
    } else if (byte === 0x2c) {
      const top = path.at(-1);
      if (typeof top === 'number') path[path.length - 1] = top + 1;
      else {
        path[path.length - 1] = null;
        named = false;
      }
    }
    i++;
  }
  let pointer = '';
  for (const step of path.slice(0, MAX_LEVELS)) {
    if (step === null) break;
    const next = pointer + pointerStep(step);
    if (next.length > MAX_LENGTH) break;
    pointer = next;
  }
  return pointer;
}
