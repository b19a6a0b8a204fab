// The event: a CloudEvents 1.0.2 event in JSON, its type, and what a sender's envelope must be.
//
// type = word *("." word); word = 1*(ALPHA / DIGIT / "_" / "-"); at most 200 bytes, case kept; it is the routing key.
// Attributes: CloudEvents 1.0.2, section 3.1 (names, types) and JSON event format 1.0.2, sections 2.2 and 3.1.
import { type Refusal, refusal } from './errors.ts';
import { decodeString, isPlainString, scanMembers } from './json/members.ts';
import { pointerStep } from './json/pointer.ts';
import { compilePattern, memoised } from './patterns.ts';
import { parseTime, timeFromBytes } from './time.ts';

const MAX_TYPE_BYTES = 200;
const TYPE = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
/** Names longer than this are refused even where a rule would map them: they are kept as `tag`. */
const MAX_NAME = 1024;
const NAME = /^[a-z0-9]+$/;
/** CloudEvents 1.0.2, section 3.1, String: no control characters, no noncharacters, no lone surrogates. */
export const UNFIT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
/** RFC 3986, section 4.1: its characters, whole percent escapes, and no colon in a first segment that is no scheme. */
const URI_REFERENCE =
  /^(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*:/;
/** RFC 2045, section 5.1: type "/" subtype, then parameters, whose values are not looked into. */
const MEDIA_TYPE = /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+*-]+\s*(?:;.*)?$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const INTEGER = /^-?(?:0|[1-9][0-9]*)$/;

/** `tag`: the original name, where a rule changed it. */
export interface NamedType {
  readonly kind: 'named';
  readonly type: string;
  readonly tag: string | null;
}
export type TypeNamer = (name: string) => NamedType | Refusal;

/** Null where the text may be a type and a routing key. */
export function typeFault(type: string): Refusal | null {
  if (type === '') return refusal('type-missing', '/type');
  if (type.length > MAX_TYPE_BYTES) return refusal('type-too-long', '/type', MAX_TYPE_BYTES);
  return TYPE.test(type) ? null : refusal('type-invalid', '/type');
}

/** The rules of `types:` in the configuration; the first match gives the type. Memoised: call it once for a configuration. */
export function typeNamer(rules: readonly { readonly match: string; readonly type: string }[]): TypeNamer {
  const compiled = rules.map(({ match, type }) => ({ matches: compilePattern(match), type }));
  return memoised((name): NamedType | Refusal => {
    if (name.length > MAX_NAME) return refusal('type-too-long', '/type', MAX_TYPE_BYTES);
    const mapped = name === '' ? undefined : compiled.find(({ matches }) => matches(name))?.type;
    const type = mapped ?? name;
    return typeFault(type) ?? { kind: 'named', type, tag: type === name ? null : name };
  });
}

/**
 * A sender's event, checked. Offsets are into the bytes it was read from, -1 where there is nothing; a JSON string's include its quotes,
 * a member's start at its name.
 */
export interface SentEvent {
  readonly kind: 'sent';
  readonly type: string;
  readonly tag: string | null;
  readonly idStart: number;
  readonly idEnd: number;
  readonly sourceStart: number;
  readonly sourceEnd: number;
  readonly timeStart: number;
  readonly timeEnd: number;
  /** The time where it was sent with escapes: lines hold none there. */
  readonly time: string | null;
  /** Start and end of each member that is kept as it was sent, `data` not among them. */
  readonly kept: readonly number[];
  /** `data` or `data_base64`. */
  readonly dataStart: number;
  readonly dataEnd: number;
}

const isUriReference = memoised((text) => text !== '' && URI_REFERENCE.test(text));
const isUri = memoised((text) => SCHEME.test(text) && URI_REFERENCE.test(text));
const isMediaType = memoised((text) => MEDIA_TYPE.test(text));

const QUOTE = 0x22;
const UNFIT_TEXT = 'control characters and noncharacters cannot stand in an attribute';
const NO_VALUE =
  'it must be a string, a boolean or an integer of 32 bits (CloudEvents 1.0, section 3.1); other values belong in "data"';

/** A string without control characters and noncharacters; a scan found no lone surrogates. */
const isFit = (buf: Buffer, start: number, end: number): boolean =>
  isPlainString(buf, start, end) || !UNFIT.test(decodeString(buf, start, end));

/** What is wrong with the JSON at start … end as an optional attribute or an extension, or null. */
function attributeFault(name: string, buf: Buffer, start: number, end: number): string | null {
  const string = buf[start] === QUOTE;
  if (string && !isFit(buf, start, end)) return UNFIT_TEXT;
  switch (name) {
    case 'subject':
      return string && end - start > 2 ? null : 'it must be a string that is not empty';
    case 'datacontenttype':
      return string && isMediaType(decodeString(buf, start, end))
        ? null
        : 'it must be a media type as application/json';
    case 'dataschema':
      return string && isUri(decodeString(buf, start, end)) ? null : 'it must be an absolute URI';
    case 'tag':
      return string ? null : 'it must be a string';
    default: {
      if (string) return null;
      const json = buf.toString('latin1', start, end);
      if (json === 'true' || json === 'false') return null;
      return INTEGER.test(json) && Math.abs(Number(json) + 0.5) < 2 ** 31 ? null : NO_VALUE;
    }
  }
}

/** Reads the envelope of one structured CloudEvent: a well-formed JSON value at start … end. Attributes that are null count as absent. */
export function readEvent(buf: Buffer, start: number, end: number, namer: TypeNamer): SentEvent | Refusal {
  if (buf[start] !== 0x7b) return refusal('event-not-object');
  const { names, spans, duplicate } = scanMembers(buf, start, end);
  if (duplicate !== null) return refusal('member-duplicate', pointerStep(duplicate));
  let named: NamedType | null = null;
  let version = false;
  let [idStart, idEnd, sourceStart, sourceEnd, timeStart, timeEnd, dataStart, dataEnd] = [
    -1, -1, -1, -1, -1, -1, -1, -1,
  ];
  let time: string | null = null;
  let tagMember = -1;
  const kept: number[] = [];
  for (let m = 0; m < names.length; m++) {
    const name = names[m] as string; // three spans for each name
    const from = spans[3 * m] as number;
    const value = spans[3 * m + 1] as number;
    const stop = spans[3 * m + 2] as number;
    if (name === 'data' || (name === 'data_base64' && buf[value] !== 0x6e)) {
      if (dataStart >= 0) return refusal('data-both', '/data_base64');
      if (name !== 'data' && !isBase64(buf, value, stop)) return refusal('data-base64-invalid', '/data_base64');
      dataStart = from;
      dataEnd = stop;
      continue;
    }
    if (buf[value] === 0x6e) continue; // null: absent (JSON event format, section 2.2)
    const string = buf[value] === QUOTE;
    switch (name) {
      case 'specversion':
        version = string && decodeString(buf, value, stop) === '1.0';
        break;
      case 'type': {
        if (!string) return refusal('type-invalid', '/type');
        const answer = namer(decodeString(buf, value, stop));
        if (answer.kind === 'refused') return answer;
        named = answer;
        break;
      }
      case 'id':
        if (!string || stop - value === 2 || !isFit(buf, value, stop)) return refusal('id-invalid', '/id');
        idStart = value;
        idEnd = stop;
        break;
      case 'source':
        if (!string || !isUriReference(decodeString(buf, value, stop))) return refusal('source-invalid', '/source');
        sourceStart = value;
        sourceEnd = stop;
        break;
      case 'time':
        if (!string) return refusal('time-invalid', '/time');
        if (!isPlainString(buf, value, stop)) {
          time = decodeString(buf, value, stop);
          if (parseTime(time) === null) return refusal('time-invalid', '/time');
        } else if (Number.isNaN(timeFromBytes(buf, value + 1, stop - 1))) return refusal('time-invalid', '/time');
        timeStart = value;
        timeEnd = stop;
        break;
      case 'receivedat':
      case 'host':
      case 'site':
        break; // where and when we took it: ours to say
      default: {
        if (!NAME.test(name)) return refusal('attribute-name-invalid', pointerStep(name));
        const fault = attributeFault(name, buf, value, stop);
        if (fault !== null) return refusal('attribute-invalid', pointerStep(name), fault);
        if (name === 'tag') tagMember = m;
        else kept.push(from, stop);
      }
    }
  }
  if (!version) return refusal('specversion-invalid', '/specversion');
  if (named === null) return refusal('type-missing', '/type');
  const { type, tag } = named;
  if (tagMember >= 0 && tag === null) kept.push(spans[3 * tagMember] as number, spans[3 * tagMember + 2] as number);
  return {
    kind: 'sent',
    type,
    tag,
    idStart,
    idEnd,
    sourceStart,
    sourceEnd,
    timeStart,
    timeEnd,
    time,
    kept,
    dataStart,
    dataEnd,
  };
}

function isBase64(buf: Buffer, value: number, stop: number): boolean {
  if (buf[value] !== QUOTE) return false;
  const text = decodeString(buf, value, stop);
  return text.length % 4 === 0 && BASE64.test(text);
}
