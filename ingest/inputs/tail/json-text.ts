// The bytes of a line as a JSON string. Pure.
import { isUtf8 } from 'node:buffer';
import type { ByteWriter } from '#core/bytes.ts';

/** 1: printable ASCII that stands for itself in a JSON string. */
const PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
);
const QUOTE = 0x22;

/** With its quotes. False where there were bytes that are not UTF-8: they become U+FFFD. */
export function writeJsonText(out: ByteWriter, bytes: Buffer, start: number, end: number): boolean {
  out.ensure(end - start + 2);
  const target = out.bytes;
  let at = out.length;
  target[at++] = QUOTE;
  let from = start;
  while (from < end) {
    const byte = bytes[from] as number; // below end
    if (PLAIN[byte] === 0) break;
    target[at++] = byte;
    from++;
  }
  out.length = at;
  const isPlain = from === end;
  if (!isPlain) {
    const text = JSON.stringify(bytes.toString('utf8', from, end));
    out.ensure(3 * text.length);
    out.length += out.bytes.write(text.slice(1, -1), out.length, 'utf8');
  }
  out.byte(QUOTE);
  return isPlain || isUtf8(bytes.subarray(from, end));
}
