// How an event stands in MongoDB: its CloudEvent as a document, and that as one statement of an `update` command. Pure. (BSON 1.1; MongoDB
// manual, "update", "Limits and Thresholds".)
//
// document = { _id: SinkEvent.key, specversion, type, source, id, time: Date, receivedat: Date, …, data: VALUE }
//
// A Date counts whole milliseconds in UTC: a time that says more (microseconds, another zone, a leap second) stands beside it as the text it
// came as, in time_text. Numbers keep their value: 32-bit integers and doubles where these hold it, else 64-bit integers, else decimal128
// (34 digits), else the text of the number. Objects in `data` are objects of JavaScript on the way: of a name that stands twice the last
// counts, and names that are whole numbers come first.
import { BSON } from 'mongodb';
import { parseTime } from '#core/time.ts';
import type { Encoded, Refused } from '../queue/contract.ts';
import type { SinkEvent } from '../queue/sink-event.ts';

/** Changes nothing where the event is there already. */
export interface Statement {
  readonly q: { readonly _id: string };
  readonly u: { readonly $setOnInsert: Readonly<Record<string, unknown>> };
  readonly upsert: true;
}

/** A command is a document too, of 16 MiB at most, and the statements are not all of it. */
export const LIMIT = { bytes: 16 * 1_048_576 - 4096, events: 100_000 } as const;
/** Of an item of the command's array: its type, and its index as text. */
const ITEM_BYTES = 1 + 7;

/** CloudEvents 1.0.2, section 3.1, and the JSON format. No name of a document's own: in an update a dot would be a path, a dollar an operator. */
const MEMBER = /^(?:[a-z0-9]+|data_base64)$/;
const TIMES = ['time', 'receivedat'] as const;
/**
 * Texts that JSON.parse and the serializer take as they are meant: numbers of at most 15 digits and two of exponent are held by a double, and
 * without an escape of ASCII no name holds a NUL or reads as `_bsontype`.
 */
const UNUSUAL = /[\d.]{16}|[eE][+-]?\d{3}|\\u00|_bsontype/;

export function encode(event: SinkEvent): Encoded<Statement> | Refused {
  const text = event.line.toString('utf8');
  let members;
  try {
    members = parse(text);
  } catch (error) {
    if (error instanceof NulInName) return { kind: 'refused', code: 'name-with-nul', message: error.message };
    throw error;
  }
  for (const name of Object.keys(members)) {
    if (MEMBER.test(name)) continue;
    return {
      kind: 'refused',
      code: 'name-invalid',
      message: `"${name}" is no name of an attribute (CloudEvents 1.0.2)`,
    };
  }
  for (const name of TIMES) addTime(members, name, event.text(name));
  const body: Statement = { q: { _id: event.key }, u: { $setOnInsert: members }, upsert: true };
  return { kind: 'encoded', body, bytes: ITEM_BYTES + BSON.calculateObjectSize(body) };
}

class NulInName extends Error {}

function parse(text: string): Record<string, unknown> {
  const members: unknown = UNUSUAL.test(text) ? JSON.parse(text, revive) : JSON.parse(text);
  // SinkEvent.read has seen an object; a Map comes of a member `_bsontype` beside the attributes.
  return (members instanceof Map ? Object.fromEntries(members) : members) as Record<string, unknown>;
}

/** `source`: the number as it stands in the text (ECMAScript 2026, JSON.parse). */
function revive(_name: string, value: unknown, ...rest: unknown[]): unknown {
  if (typeof value === 'number') {
    const [context] = rest as [{ readonly source: string }];
    return exactNumber(context.source, value);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  for (const name of Object.keys(value)) {
    if (name.includes('\0')) throw new NulInName(`a member's name holds the character \\u0000, which BSON cannot hold`);
  }
  // The serializer would take the object for one of its own types.
  return Object.hasOwn(value, '_bsontype') ? new Map(Object.entries(value)) : value;
}

/** The value of a number in JSON, in the first of BSON's types that holds it; `value`: what JSON.parse made of it. */
export function exactNumber(source: string, value: number): number | BSON.Long | BSON.Decimal128 | string {
  const whole = /^-?\d+$/.test(source);
  if (whole ? Number.isSafeInteger(value) : sameNumber(source, String(value))) return value;
  if (whole && source.length <= 20) {
    const exact = BigInt(source);
    if (exact === BigInt.asIntN(64, exact)) return BSON.Long.fromBigInt(exact);
  }
  const decimal = decimalOf(source);
  return decimal !== null && sameNumber(source, decimal.toString()) ? decimal : source;
}

/** Null where it has too many digits. Exponents out of bounds may be cut in silence. */
function decimalOf(source: string): BSON.Decimal128 | null {
  try {
    return BSON.Decimal128.fromString(source);
  } catch {
    return null;
  }
}

/** Whether two numerals mean one number. "Infinity" is none. */
export function sameNumber(one: string, other: string): boolean {
  const [first, second] = [canonical(one), canonical(other)];
  return first !== null && first === second;
}

/** Sign, digits without zeros at their ends, exponent of the last one; the sign of zero is dropped. */
function canonical(text: string): string | null {
  const [found, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (found === undefined) return null;
  const all = (whole + fraction).replace(/^0+/, '');
  const digits = all.replace(/0+$/, '');
  if (digits === '') return '0';
  return `${sign}${digits}e${BigInt(exponent) - BigInt(fraction.length) + BigInt(all.length - digits.length)}`;
}

function addTime(document: Record<string, unknown>, name: string, text: string | null): void {
  const time = text === null ? null : parseTime(text);
  if (text === null || time === null) return;
  const date = new Date(time);
  document[name] = date;
  if (!saysAll(date, text)) document[`${name}_text`] = text;
}

function saysAll(date: Date, text: string): boolean {
  const [, second = '', fraction = ''] = /^([^.]{19})(?:\.(\d*[1-9])?0*)?Z$/.exec(text) ?? [];
  return date.toISOString() === `${second}.${fraction.padEnd(3, '0')}Z`;
}
