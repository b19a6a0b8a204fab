// One event as queue sinks see it: its line as it came, and its members as the bytes that stand there, so that numbers keep every digit.
import { hash } from 'node:crypto';
import type { ByteWriter } from '#core/bytes.ts';
import { decodeString, scanMembers } from '#core/json/members.ts';
import { scanEvents } from '#core/json/scan.ts';
import { parseTime } from '#core/time.ts';

const QUOTE = 0x22;
const ATTRIBUTES = ['id', 'source', 'type', 'time', 'receivedat'] as const;

export class SinkEvent {
  /** The CloudEvent in JSON (docs/configuration.md), without the line feed. UTF-8, well formed. */
  readonly line: Buffer;
  readonly #names: readonly string[];
  readonly #spans: readonly number[];

  private constructor(line: Buffer, names: readonly string[], spans: readonly number[]) {
    this.line = line;
    this.#names = names;
    this.#spans = spans;
  }

  /** Null where the line is no event of ours: no well-formed JSON object, or without one of its attributes as a string. */
  static read(line: Buffer): SinkEvent | null {
    const scanned = scanEvents(line, 'value');
    return scanned.kind === 'refused' || scanned.faults.size > 0 ? null : SinkEvent.ofScanned(line);
  }

  /** As `read`, of a line that was scanned already and is well formed. */
  static ofScanned(line: Buffer): SinkEvent | null {
    if (line[0] !== 0x7b) return null;
    const { names, spans, duplicate } = scanMembers(line, 0, line.length);
    if (duplicate !== null) return null;
    const event = new SinkEvent(line, names, spans);
    for (const name of ATTRIBUTES) {
      const at = names.indexOf(name);
      if (at < 0 || line[spans[3 * at + 1] ?? 0] !== QUOTE) return null;
    }
    return event;
  }

  get id(): string {
    return this.text('id') ?? '';
  }
  get source(): string {
    return this.text('source') ?? '';
  }
  get type(): string {
    return this.text('type') ?? '';
  }
  /** RFC 3339, as the sender gave it; the arrival where it gave none. */
  get time(): string {
    return this.text('time') ?? '';
  }
  /** When the agent took it, milliseconds since the epoch. */
  get arrival(): number {
    return parseTime(this.text('receivedat') ?? '') ?? 0;
  }

  /** Tells repeats: the same for the same source and id, 43 characters of base64url (SHA-256). */
  get key(): string {
    return hash('sha256', `${this.source}\0${this.id}`, 'base64url');
  }

  /** Of its members, in the order of the line; none stands twice. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** The JSON of a member as it stands in the line; null where there is none. Members: specversion, type, id, time, source, data, … */
  member(name: string): Buffer | null {
    const at = this.#names.indexOf(name);
    return at < 0 ? null : this.line.subarray(this.#spans[3 * at + 1], this.#spans[3 * at + 2]);
  }

  /** Writes the JSON of a member; false where there is none. */
  copy(name: string, out: ByteWriter): boolean {
    const at = this.#names.indexOf(name);
    if (at >= 0) out.copy(this.line, this.#spans[3 * at + 1], this.#spans[3 * at + 2]);
    return at >= 0;
  }

  /** A member that is a string; null where there is none, or something else. */
  text(name: string): string | null {
    const at = this.#names.indexOf(name);
    const start = this.#spans[3 * at + 1];
    const end = this.#spans[3 * at + 2];
    if (at < 0 || start === undefined || end === undefined || this.line[start] !== QUOTE) return null;
    return decodeString(this.line, start, end);
  }

  /** The JSON of the value at a JSON pointer (RFC 6901) such as /data/user/id; null where nothing stands there. */
  at(pointer: string): Buffer | null {
    const [, first = '', ...rest] = pointer.split('/').map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    let found = this.member(first);
    for (const step of rest) {
      if (found?.[0] === 0x7b) {
        const inner: Buffer = found;
        const { names, spans } = scanMembers(inner, 0, inner.length);
        const at = names.lastIndexOf(step);
        found = at < 0 ? null : inner.subarray(spans[3 * at + 1], spans[3 * at + 2]);
      } else if (found?.[0] === 0x5b && /^(?:0|[1-9][0-9]{0,6})$/.test(step)) {
        const items = scanEvents(found, 'array');
        const index = 2 * Number(step);
        const start = items.kind === 'scanned' ? items.spans[index] : undefined;
        found = start === undefined || items.kind !== 'scanned' ? null : found.subarray(start, items.spans[index + 1]);
      } else return null;
    }
    return found;
  }
}
