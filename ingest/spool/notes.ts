// What inputs note with their events (contract.ts, Note), and the file that knows the notes of segments that are gone. Pure.
//
//   note = json [NUMBER,KEY,VALUE or null]      numbered 1, 2, 3 … in the order of the appends, whatever the identity
//   file = json LF crc LF                       crc: CRC-32 of the json, 8 hexadecimal digits
//   json = {"version":1,"number":NUMBER,"read":{IDENTITY:INDEX},"notes":[[KEY,VALUE] …]}
//
// Invariants
// 1. The file holds every note up to `number`, and none that is not on the disk: notes are synced in the order of their numbers.
// 2. Segments of an identity below its index in `read` hold no note above `number`: a start reads the others alone.
// 3. A segment is removed only when the file on the disk knows its notes (janitor.ts).
import { crc32 } from 'node:zlib';
import type { Note } from './contract.ts';
import type { Segment, SegmentTable } from './segments.ts';

export const NOTES = 'notes';
export const NOTES_VERSION = 1;

export interface NumberedNote extends Note {
  readonly number: number;
}

/** What the file says; of an empty spool where there is none. */
export interface KnownNotes {
  readonly number: number;
  readonly read: ReadonlyMap<string, number>;
  readonly notes: ReadonlyMap<string, string>;
}

export const NO_NOTES: KnownNotes = { number: 0, read: new Map(), notes: new Map() };

export type NotesCheck =
  | { readonly kind: 'good'; readonly known: KnownNotes }
  | { readonly kind: 'newer'; readonly version: number }
  | { readonly kind: 'damaged'; readonly message: string };

export const encodeNote = ({ number, key, value }: NumberedNote): Buffer =>
  Buffer.from(JSON.stringify([number, key, value]));

/** Of a record whose checksum holds. */
export function decodeNote(bytes: Buffer): NumberedNote {
  const [number, key, value] = JSON.parse(bytes.toString('utf8')) as [number, string, string | null]; // ours
  return { number, key, value };
}

export function decodeNotes(bytes: Buffer): NotesCheck {
  const [json, crc] = bytes.toString('utf8').split('\n');
  if (json === undefined || crc === undefined || crc !== checksum(json))
    return { kind: 'damaged', message: 'its checksum does not fit' };
  const { version, number, read, notes } = JSON.parse(json) as NotesJson; // the checksum says that it is ours
  if (version > NOTES_VERSION) return { kind: 'newer', version };
  return { kind: 'good', known: { number, read: new Map(Object.entries(read)), notes: new Map(notes) } };
}

interface NotesJson {
  readonly version: number;
  readonly number: number;
  readonly read: Readonly<Record<string, number>>;
  readonly notes: readonly (readonly [key: string, value: string])[];
}

const checksum = (json: string): string => crc32(json).toString(16).padStart(8, '0');

export class Notes {
  /** On the disk. */
  readonly values: Map<string, string>;
  /** The last number given. */
  #given: number;
  /** The last number that is on the disk, and the last that the file on the disk knows. */
  #synced: number;
  #stored: number;

  constructor({ number, notes }: KnownNotes) {
    this.values = new Map(notes);
    this.#given = this.#synced = this.#stored = number;
  }

  get synced(): number {
    return this.#synced;
  }

  /** What the file on the disk knows, so that a segment may go. */
  get stored(): number {
    return this.#stored;
  }

  number(note: Note): NumberedNote {
    return { ...note, number: ++this.#given };
  }

  /** In the order of their numbers; one that is known already is none. */
  settle(note: NumberedNote): void {
    if (note.number <= this.#synced) return;
    this.#synced = note.number;
    this.#given = Math.max(this.#given, note.number);
    if (note.value === null) this.values.delete(note.key);
    else this.values.set(note.key, note.value);
  }

  encode(table: SegmentTable): { readonly bytes: Buffer; readonly stored: () => void } {
    const number = this.#synced;
    const notes = Array.from(this.values);
    const json = JSON.stringify({ version: NOTES_VERSION, number, read: Object.fromEntries(readUpTo(table)), notes });
    return {
      bytes: Buffer.from(`${json}\n${checksum(json)}\n`),
      stored: () => (this.#stored = Math.max(this.#stored, number)),
    };
  }
}

/** By identity: the first index whose segment may still hold a note that is not synced. */
function readUpTo(table: SegmentTable): Map<string, number> {
  const read = new Map<string, number>();
  const lasts = table.lasts();
  const open = new Set<string>();
  for (const segment of table.all) {
    const { identity, index } = segment.name;
    if (open.has(identity)) continue;
    if (isSettled(segment, lasts.get(identity) ?? 0)) read.set(identity, index + 1);
    else {
      read.set(identity, index);
      open.add(identity);
    }
  }
  return read;
}

/** Of one that failed, what was written to it may be there and nowhere else, until it is synced in another. */
const isSettled = ({ sealed, unsynced }: Segment, last: number): boolean => sealed && unsynced <= last;
