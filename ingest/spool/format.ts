// The bytes of a segment: names, header, records. Pure.
//
//   name     = identity ".p" partition "." index ".e" first ".seg"     index: 6 digits or more, ascending in an identity; first: 16 digits
//   segment  = header *record
//   header   = magic(8) version(u16) reserved(u16) partition(u32) index(u32) reserved(u32) first(u48) created(u48) identity(16) reserved(8) crc(u32)
//   record   = marker(4) crc(u32) length(u32) count(u32) first(u48) time(u48) kind(u8) type-length(u8) type [note-length(u32) note] payload
//
// All integers are little-endian, times are Unix milliseconds. The header's crc covers what stands before it; a record's crc covers all
// that stands after it and starts from the segment's seed, which is the crc of the segment's identity and index: bytes that another
// segment left on the disk never pass. The name says all that is needed to read the records, so that a damaged header costs nothing.
// The marker holds bytes that UTF-8 never does, so that a search for the next record cannot be led astray by a payload.
// Kind 1 is events (`first` numbers its first line); kind 2 is the end, of a clean close: `first` is the number that would have come next;
// kind 3 (from version 2 on) is events with an input's note (notes.ts), and may be of no events. `length` is that of all behind the type.
import { crc32 } from 'node:zlib';

export const FORMAT_VERSION = 2;
export const SEGMENT_SUFFIX = '.seg';
export const SEGMENT_HEADER = 64;
export const RECORD_HEADER = 30;
const MAX_TYPE = 200;
/** Longest payload of a record that is believed when read. */
const MAX_PAYLOAD = 256 * 1024 * 1024;
export const KIND_EVENTS = 1;
export const KIND_END = 2;
export const KIND_NOTED = 3;
export const NOTE_LENGTH = 4;

const MAGIC = Buffer.from('\xffWAGGLE\n', 'latin1');
const MARKER = Buffer.from([0xff, 0x57, 0xfe, 0x00]);
const MARKER_WORD = MARKER.readUInt32LE(0);
const NAME = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.p(\d{1,6})\.(\d{6,9})\.e(\d{16})\.seg$/;

export interface SegmentName {
  readonly identity: string;
  readonly partition: number;
  /** Ascending in the order of creation, within the identity. */
  readonly index: number;
  /** Number of the first event in it; no number from here on is in a segment of a lower index. */
  readonly first: number;
}

export type HeaderCheck =
  | { readonly kind: 'good'; /** Unix milliseconds. */ readonly created: number }
  /** Written by a newer waggle. */
  | { readonly kind: 'newer'; readonly version: number }
  /** Torn, empty or changed; the name serves instead. */
  | { readonly kind: 'damaged' };

/** Where `decodeRecord` puts what it finds: one object for all records, since this is the hot path of reading. */
export interface RecordView {
  /** Bytes of the record in all. */
  size: number;
  kind: number;
  first: number;
  count: number;
  time: number;
  typeStart: number;
  typeEnd: number;
  /** Start and end of the note; equal where there is none. */
  noteStart: number;
  noteEnd: number;
  payloadStart: number;
}

export const newRecordView = (): RecordView => ({
  size: 0,
  kind: 0,
  first: 0,
  count: 0,
  time: 0,
  typeStart: 0,
  typeEnd: 0,
  noteStart: 0,
  noteEnd: 0,
  payloadStart: 0,
});

export function encodeName(name: SegmentName): string {
  return `${name.identity}.p${name.partition}.${String(name.index).padStart(6, '0')}.e${String(name.first).padStart(16, '0')}${SEGMENT_SUFFIX}`;
}

/** Null for the name of something else. */
export function decodeName(text: string): SegmentName | null {
  const [, identity, partition, index, first] = NAME.exec(text) ?? [];
  if (identity === undefined) return null;
  return { identity, partition: Number(partition), index: Number(index), first: Number(first) };
}

const identityBytes = (identity: string): Buffer => Buffer.from(identity.replaceAll('-', ''), 'hex');

/** What the checksums of the segment's records start from. */
export function segmentSeed(name: SegmentName): number {
  const index = Buffer.alloc(4);
  index.writeUInt32LE(name.index);
  return crc32(index, crc32(identityBytes(name.identity)));
}

export function encodeHeader(name: SegmentName, created: number): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER);
  MAGIC.copy(bytes);
  bytes.writeUInt16LE(FORMAT_VERSION, 8);
  bytes.writeUInt32LE(name.partition, 12);
  bytes.writeUInt32LE(name.index, 16);
  bytes.writeUIntLE(name.first, 24, 6);
  bytes.writeUIntLE(Math.max(0, Math.floor(created)), 30, 6);
  identityBytes(name.identity).copy(bytes, 36);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

export function checkHeader(bytes: Buffer): HeaderCheck {
  if (bytes.length < SEGMENT_HEADER || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) return { kind: 'damaged' };
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) return { kind: 'damaged' };
  const version = bytes.readUInt16LE(8);
  return version > FORMAT_VERSION ? { kind: 'newer', version } : { kind: 'good', created: bytes.readUIntLE(30, 6) };
}

/** Writes all but the checksum (`sealRecord` does that, once the segment is known). Returns where the payload goes; the type is ASCII. */
export function encodeRecordHead(
  bytes: Buffer,
  at: number,
  kind: number,
  type: string,
  count: number,
  length: number,
  first: number,
  time: number,
): number {
  bytes.writeUInt32LE(MARKER_WORD, at);
  bytes.writeUInt32LE(length, at + 8);
  bytes.writeUInt32LE(count, at + 12);
  bytes.writeUIntLE(first, at + 16, 6);
  bytes.writeUIntLE(time, at + 22, 6);
  bytes[at + 28] = kind;
  bytes[at + 29] = type.length;
  bytes.write(type, at + RECORD_HEADER, 'latin1');
  return at + RECORD_HEADER + type.length;
}

/** More lines of the same type were put behind the payload of the record at `at`. */
export function extendRecord(bytes: Buffer, at: number, count: number, length: number): void {
  bytes.writeUInt32LE(length, at + 8);
  bytes.writeUInt32LE(count, at + 12);
}

/** Sets the checksum of the record at `at`; returns where the next one starts. */
export function sealRecord(bytes: Buffer, at: number, seed: number): number {
  const end = at + RECORD_HEADER + (bytes[at + 29] ?? 0) + bytes.readUInt32LE(at + 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(at + 8, end), seed), at + 4);
  return end;
}

export function encodeEnd(next: number, time: number, seed: number): Buffer {
  const bytes = Buffer.alloc(RECORD_HEADER);
  encodeRecordHead(bytes, 0, KIND_END, '', 0, 0, next, time);
  sealRecord(bytes, 0, seed);
  return bytes;
}

/**
 * The record at `at` of `bytes`, which are good up to `end`. `good`: it is in `view`. `short`: whole records of this look need `view.size`
 * bytes from `at` on (or there is not even a head: then view.size is RECORD_HEADER). `bad`: no record of this segment starts here.
 */
export function decodeRecord(
  bytes: Buffer,
  at: number,
  end: number,
  seed: number,
  view: RecordView,
): 'good' | 'short' | 'bad' {
  if (end - at < RECORD_HEADER) {
    view.size = RECORD_HEADER;
    return bytes.compare(MARKER, 0, Math.min(4, end - at), at, at + Math.min(4, end - at)) === 0 ? 'short' : 'bad';
  }
  if (bytes.readUInt32LE(at) !== MARKER_WORD) return 'bad';
  const length = bytes.readUInt32LE(at + 8);
  const typeLength = bytes[at + 29] as number; // the head is within the bytes
  const kind = bytes[at + 28];
  if (length > MAX_PAYLOAD || typeLength > MAX_TYPE || kind === undefined || kind < KIND_EVENTS || kind > KIND_NOTED)
    return 'bad';
  const size = RECORD_HEADER + typeLength + length;
  view.size = size;
  if (end - at < size) return 'short';
  if (crc32(bytes.subarray(at + 8, at + size), seed) !== bytes.readUInt32LE(at + 4)) return 'bad';
  view.kind = kind;
  view.count = bytes.readUInt32LE(at + 12);
  view.first = bytes.readUIntLE(at + 16, 6);
  view.time = bytes.readUIntLE(at + 22, 6);
  view.typeStart = at + RECORD_HEADER;
  view.typeEnd = at + RECORD_HEADER + typeLength;
  view.noteStart = view.noteEnd = view.payloadStart = view.typeEnd;
  if (kind === KIND_NOTED) {
    view.noteStart += NOTE_LENGTH;
    view.noteEnd = view.noteStart + (length < NOTE_LENGTH ? length : bytes.readUInt32LE(view.typeEnd));
    if (view.noteEnd > at + size) return 'bad';
    view.payloadStart = view.noteEnd;
  }
  return 'good';
}

/** Offset of the next place at or after `at` where a record may start; -1 where there is none. A marker cut off by the end does not count. */
export function findMarker(bytes: Buffer, at: number, end: number): number {
  const found = bytes.indexOf(MARKER, at);
  return found === -1 || found + MARKER.length > end ? -1 : found;
}
