// The closed set of field types: what each takes, its options with their defaults, and the sanitizers that it has or may have. From this one
// table rule files are checked, editors complete them, and docs/bee-rules.md is written.
import type { Sanitizer } from '../verdict.ts';
import type { Field } from './model.ts';

export type TypeName = Field['type'];

/** What may be written for an option. */
export type OptionKind =
  | { readonly kind: 'count'; readonly from: number; readonly to: number }
  | { readonly kind: 'integer' }
  | { readonly kind: 'decimal' }
  | { readonly kind: 'flag' }
  | { readonly kind: 'word'; readonly words: readonly string[] }
  /** A list of texts that all match. */
  | { readonly kind: 'texts'; readonly each: RegExp; readonly example: string }
  | { readonly kind: 'name' }
  | { readonly kind: 'field' }
  | { readonly kind: 'fields' }
  /** Fields by the value of another. */
  | { readonly kind: 'kinds' };

export interface Option {
  readonly accepts: OptionKind;
  readonly about: string;
  /** Undefined: it must be given. */
  readonly default?: unknown;
}

export interface FieldType {
  readonly about: string;
  /** Run always. */
  readonly always: readonly Sanitizer[];
  /** May be asked for. */
  readonly may: readonly Sanitizer[];
  /** The kind of `default:`; null where there can be none. */
  readonly default: 'text' | 'integer' | 'boolean' | null;
  readonly options: Readonly<Record<string, Option>>;
}

const LIMIT = Number.MAX_SAFE_INTEGER;
const count = (from: number, to: number): OptionKind => ({ kind: 'count', from, to });
const CURRENCY = /^[A-Z]{3}$/;

export const FIELD_TYPES: Readonly<Record<TypeName, FieldType>> = {
  text: {
    about: 'text of people, cleaned; card numbers in it are masked',
    always: ['nfc', 'strip', 'trim'],
    may: ['lower', 'truncate', 'mask', 'hash', 'drop'],
    default: 'text',
    options: {
      min: { accepts: count(0, 100_000), about: 'characters, at least', default: 1 },
      max: { accepts: count(1, 100_000), about: 'characters, at most', default: 1000 },
      characters: {
        accepts: { kind: 'word', words: ['line', 'lines', 'ascii', 'word'] },
        about:
          '`line`: breaks and tabs become blanks; `lines`: they stay; `ascii`: printable ASCII; `word`: A-Z a-z 0-9 _ . -',
        default: 'line',
      },
      cards: {
        accepts: { kind: 'word', words: ['mask', 'keep'] },
        about: 'card numbers in the text',
        default: 'mask',
      },
    },
  },
  id: {
    about: 'an identifier; placeholders (`0`, `null`, `undefined`, the nil UUID …) are refused',
    always: [],
    may: ['trim', 'lower', 'hash', 'drop'],
    default: null,
    options: {
      max: { accepts: count(1, 1024), about: 'characters, at most', default: 128 },
      form: {
        accepts: { kind: 'word', words: ['any', 'uuid'] },
        about: 'letters, digits and _ . : ~ - + / = @, or a UUID',
        default: 'any',
      },
    },
  },
  integer: {
    about: 'a whole number, as a JSON number',
    always: [],
    may: ['drop'],
    default: 'integer',
    options: {
      min: { accepts: { kind: 'integer' }, about: 'the least', default: -LIMIT },
      max: { accepts: { kind: 'integer' }, about: 'the greatest', default: LIMIT },
    },
  },
  decimal: {
    about: 'an exact number, as a string: `"12.50"`',
    always: [],
    may: ['trim', 'round', 'drop'],
    default: 'text',
    options: {
      scale: { accepts: count(0, 12), about: 'digits behind the point, at most', default: 6 },
      min: { accepts: { kind: 'decimal' }, about: 'the least', default: '-999999999999' },
      max: { accepts: { kind: 'decimal' }, about: 'the greatest', default: '999999999999' },
    },
  },
  money: {
    about:
      'an amount with its currency: `{"amount":"12.50","currency":"USD"}`, with no more digits than the currency has',
    always: [],
    may: ['drop'],
    default: null,
    options: {
      currencies: {
        accepts: { kind: 'texts', each: CURRENCY, example: 'USD' },
        about: 'ISO 4217 codes',
        default: ['USD'],
      },
      min: { accepts: { kind: 'decimal' }, about: 'the least amount', default: '0' },
      max: { accepts: { kind: 'decimal' }, about: 'the greatest amount', default: '1000000' },
    },
  },
  boolean: { about: 'true or false', always: [], may: ['drop'], default: 'boolean', options: {} },
  timestamp: {
    about: 'a moment with its zone (RFC 3339): `2026-11-23T14:00:00Z`; no leap seconds',
    always: [],
    may: ['trim', 'drop'],
    default: null,
    options: {},
  },
  enum: {
    about: 'one of a few words',
    always: [],
    may: ['trim', 'lower', 'drop'],
    default: 'text',
    options: {
      values: {
        accepts: { kind: 'texts', each: /^[\x21-\x7e]([\x20-\x7e]{0,98}[\x21-\x7e])?$/, example: 'ios' },
        about: 'the words',
      },
    },
  },
  email: {
    about: 'an e-mail address, at most 254 characters',
    always: ['trim'],
    may: ['lower', 'mask', 'hash', 'drop'],
    default: null,
    options: {},
  },
  phone: {
    about: 'a telephone number (E.164): `+13125550123`',
    always: ['trim'],
    may: ['mask', 'hash', 'drop'],
    default: null,
    options: {},
  },
  url: {
    about: 'an absolute URL without user and password; `mask` takes its query and fragment away',
    always: ['trim'],
    may: ['truncate', 'mask', 'hash', 'drop'],
    default: 'text',
    options: {
      max: { accepts: count(1, 8192), about: 'characters, at most', default: 2048 },
      schemes: {
        accepts: { kind: 'texts', each: /^[a-z][a-z0-9+.-]{0,19}$/, example: 'https' },
        about: 'schemes',
        default: ['https', 'http'],
      },
    },
  },
  geo: {
    about: 'a place on earth: `{"lat":41.8781,"lon":-87.6298}`, in degrees',
    always: [],
    may: ['round', 'drop'],
    default: null,
    options: {
      scale: { accepts: count(0, 8), about: 'digits that `round` leaves behind the point: 3 are 110 m', default: 3 },
    },
  },
  locale: {
    about: 'a language, with script and region where known: `en`, `en-US`, `zh-Hant-TW`',
    always: [],
    may: ['trim', 'drop'],
    default: 'text',
    options: {},
  },
  version: {
    about: 'a version: `4`, `4.12.0`, `4.12.0-beta.1`',
    always: [],
    may: ['trim', 'drop'],
    default: 'text',
    options: {},
  },
  ip: {
    about: 'an IPv4 or IPv6 address; `mask` keeps its network (/24, /48)',
    always: [],
    may: ['trim', 'mask', 'hash', 'drop'],
    default: null,
    options: {},
  },
  list: {
    about: 'a list',
    always: [],
    may: ['truncate', 'drop'],
    default: null,
    options: {
      items: { accepts: { kind: 'field' }, about: 'what each item is' },
      min: { accepts: count(0, 4000), about: 'items, at least', default: 0 },
      max: { accepts: count(1, 4000), about: 'items, at most', default: 100 },
      unique: {
        accepts: { kind: 'flag' },
        about: 'no item twice; of texts, numbers and the like alone',
        default: false,
      },
    },
  },
  map: {
    about: 'values by keys of the sender: 1 to 64 letters, digits, `_`, `-`, `.`',
    always: [],
    may: ['drop'],
    default: null,
    options: {
      values: { accepts: { kind: 'field' }, about: 'what each value is' },
      max: { accepts: count(1, 300), about: 'entries, at most', default: 50 },
    },
  },
  nested: {
    about: 'an object with fields of its own',
    always: [],
    may: ['drop'],
    default: null,
    options: { fields: { accepts: { kind: 'fields' }, about: 'its fields' } },
  },
  'one-of': {
    about: 'an object whose fields depend on the value of one of them',
    always: [],
    may: ['drop'],
    default: null,
    options: {
      by: { accepts: { kind: 'name' }, about: 'the field whose value decides' },
      kinds: { accepts: { kind: 'kinds' }, about: 'for each value the other fields' },
    },
  },
};

export const typeNames = Object.keys(FIELD_TYPES) as readonly TypeName[];

/** What each sanitizer does, for documents. */
export const SANITIZER_TEXTS: Readonly<Record<Sanitizer, string>> = {
  drop: 'takes the field away, unread: for what an app still sends and nobody may keep',
  nfc: 'composes characters (Unicode NFC), so that the same text is the same bytes',
  strip: 'takes out control, bidirectional, zero-width and other unseen characters',
  trim: 'takes blanks off both ends',
  lower: 'small letters',
  truncate: 'cuts a text or list to `max` instead of rejecting it',
  round: 'rounds half away from zero to `scale` digits behind the point',
  mask: 'hides most: stars in texts, 0 in the host part of an address, no query in a URL; what is left is valid still',
  hash: 'puts a keyed hash (HMAC-SHA-256) in its place: equal values stay equal, and nobody reads them',
};

/** Names of fields and of kinds. */
export const FIELD_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
/** Names that every object has: never a field, never a key of a map. */
export const isPrototypeName = (name: string): boolean => name in Object.prototype || name === 'prototype';
