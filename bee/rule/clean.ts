// The sanitising plan: for each field one function, made once, that gives its value as it may go on. Objects are built anew, field by field,
// so nothing gets through that no field names. What is of the wrong kind is left as it is, for the schema to reject.
import { type Rejection, rejection } from '../codes.ts';
import { isTellable, stepBelow } from '../strict-json.ts';
import type { Change, Sanitizer } from '../verdict.ts';
import { PLAIN, cleanText, maskCards, truncate } from './characters.ts';
import { roundDecimal } from './decimal.ts';
import { FIELD_NAME, isPrototypeName } from './field-types.ts';
import type { Field, FieldOf, Fields, Unknown } from './model.ts';
import { keepUnknown } from './unknown.ts';

const MAX_CHANGES = 100;

/** One event on its way through a plan. */
export class Run {
  readonly changes: Change[] = [];
  fault: Rejection | null = null;
  /** Of the object or list at hand. */
  at = '/data';

  note(name: string | number, sanitizer: Change['sanitizer'], detail: string): void {
    if (this.changes.length < MAX_CHANGES) this.changes.push({ pointer: stepBelow(this.at, name), sanitizer, detail });
  }

  reject(code: 'field-unknown' | 'map-key-invalid', name: string): void {
    this.fault ??= rejection(code, stepBelow(this.at, name));
  }
}

/** `name`: the field's, or its index in a list. */
export type Clean = (value: unknown, run: Run, name: string | number) => unknown;
type Values = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Null where a value goes on as it is. */
function cleanerOf(field: Field, unknown: Unknown): Clean | null {
  if (field.sanitize.includes('drop'))
    return (_value, run, name) => {
      run.note(name, 'drop', 'the rule takes it away');
    };
  switch (field.type) {
    case 'text':
      return textCleaner(field);
    case 'id':
    case 'timestamp':
    case 'enum':
    case 'email':
    case 'phone':
    case 'locale':
    case 'version':
    case 'ip':
      return wordCleaner(field.sanitize, null);
    case 'url':
      return wordCleaner(field.sanitize, field.max);
    case 'decimal':
      return decimalCleaner(field);
    case 'geo':
      return geoCleaner(field, unknown);
    case 'money':
      return objectCleaner(new Map(), unknown, ['amount', 'currency']);
    case 'integer':
      return (value) => (value === 0 ? 0 : value); // -0 is written as 0
    case 'boolean':
      return null;
    case 'list':
      return listCleaner(field, unknown);
    case 'map':
      return mapCleaner(field, unknown);
    case 'nested':
      return objectCleaner(field.fields, unknown, []);
    case 'one-of':
      return oneOfCleaner(field, unknown);
    default:
      return field satisfies never;
  }
}

const asItIs: Clean = (value) => value;

const removed = (count: number): string => (count === 1 ? '1 character removed' : `${count} characters removed`);

/** Texts that hold ASCII alone where they are right: what is left to do is little. */
function wordCleaner(sanitize: readonly Sanitizer[], max: number | null): Clean | null {
  const trims = sanitize.includes('trim');
  const lowers = sanitize.includes('lower');
  const cuts = max !== null && sanitize.includes('truncate');
  if (!trims && !lowers && !cuts) return null;
  return (value, run, name) => {
    if (typeof value !== 'string') return value;
    let text = value;
    if (trims) {
      text = text.trim();
      if (text !== value) run.note(name, 'trim', removed(value.length - text.length));
    }
    if (lowers) {
      // A to Z alone: of others some become ASCII, such as the sign for kelvin, and would pass for what they are not.
      const lower = text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase());
      if (lower !== text) run.note(name, 'lower', 'made small letters');
      text = lower;
    }
    if (!cuts || text.length <= max) return text;
    run.note(name, 'truncate', `cut to ${max} characters`);
    return truncate(text, max);
  };
}

const UPPER = /[A-Z]/;
const EDGE = /^\s|\s$/;
const MAX_PASSES = 6;

function textCleaner(field: FieldOf<'text'>): Clean {
  const { max, sanitize } = field;
  const lines = field.characters === 'lines';
  const lowers = sanitize.includes('lower');
  const cuts = sanitize.includes('truncate');
  const cards = field.cards === 'mask';
  return (value, run, name) => {
    if (typeof value !== 'string') return value;
    const isQuick =
      PLAIN.test(value) &&
      !EDGE.test(value) &&
      value.length < (cards ? 13 : Number.POSITIVE_INFINITY) &&
      !(lowers && UPPER.test(value)) &&
      !(cuts && value.length > max);
    if (isQuick) return value;
    // Each step may make work for one before it: cutting leaves a blank at the end, stripping brings digits together.
    let text = value;
    for (let pass = 0; pass < MAX_PASSES; pass++) {
      const before = text;
      const cleaned = PLAIN.test(text) ? null : cleanText(text, lines);
      if (cleaned !== null) {
        if (cleaned.composed) run.note(name, 'nfc', 'characters composed');
        if (cleaned.stripped)
          run.note(name, 'strip', `unseen characters taken out or replaced: ${text.length} to ${cleaned.text.length}`);
        text = cleaned.text;
      }
      text = changed(text.trim(), text, run, name, 'trim', 'blanks at the ends removed');
      if (cards) text = changed(maskCards(text), text, run, name, 'mask', 'a card number masked');
      if (lowers) text = changed(text.toLowerCase(), text, run, name, 'lower', 'made small letters');
      if (cuts) text = changed(truncate(text, max), text, run, name, 'truncate', `cut to ${max} characters`);
      if (text === before) break;
    }
    return text;
  };
}

function changed(
  after: string,
  before: string,
  run: Run,
  name: string | number,
  by: Sanitizer,
  detail: string,
): string {
  if (after !== before) run.note(name, by, detail);
  return after;
}

function decimalCleaner({ sanitize, scale }: FieldOf<'decimal'>): Clean | null {
  const word = wordCleaner(sanitize, null);
  if (!sanitize.includes('round')) return word;
  return (value, run, name) => {
    const text = word === null ? value : word(value, run, name);
    return typeof text === 'string'
      ? changed(roundDecimal(text, scale), text, run, name, 'round', `rounded to ${scale} digits`)
      : text;
  };
}

function geoCleaner({ sanitize, scale }: FieldOf<'geo'>, unknown: Unknown): Clean {
  const point = objectCleaner(new Map(), unknown, ['lat', 'lon']);
  const rounds = sanitize.includes('round');
  const factor = 10 ** scale;
  return (value, run, name) => {
    const made = point(value, run, name);
    if (!isObject(made)) return made;
    const rounded: Record<string, unknown> = {};
    let isRounded = false;
    for (const axis of ['lat', 'lon']) {
      const degrees = made[axis];
      if (degrees === undefined) continue;
      rounded[axis] = rounds && typeof degrees === 'number' ? Math.round(degrees * factor) / factor + 0 : degrees;
      isRounded ||= rounded[axis] !== degrees;
    }
    if (isRounded) run.note(name, 'round', `rounded to ${scale} digits`);
    return rounded;
  };
}

function objectCleaner(fields: Fields, unknown: Unknown, plain: readonly string[]): Clean {
  const plan = objectPlan(fields, unknown, plain);
  return (value, run, name) => {
    if (!isObject(value)) return value;
    const outside = run.at;
    run.at = stepBelow(outside, name);
    const made = plan(value, run);
    run.at = outside;
    return made;
  };
}

type Plan = (value: Values, run: Run) => Record<string, unknown>;

/**
 * Builds the object of these fields; `run.at` is its own place. `plain`: members that are taken as they are. The function is generated, so
 * that each member is read and written at a place of its own, which takes about half the time of a loop over names. In its text
 * stand names of fields alone, which are words (FIELD_NAME).
 */
export function objectPlan(fields: Fields, unknown: Unknown, plain: readonly string[] = []): Plan {
  const names = [...plain, ...fields.keys()];
  const cleaners = [...plain.map(() => null), ...[...fields.values()].map((field) => cleanerOf(field, unknown))];
  const known = new Set(names);
  const lines = names.map((name, i) => {
    if (!FIELD_NAME.test(name) || isPrototypeName(name))
      throw new TypeError('bee: a field has a name that none can have');
    const there =
      cleaners[i] === null
        ? `made.${name} = v;`
        : `v = clean[${i}](v, run, "${name}"); if (v !== undefined) made.${name} = v;`;
    const value = fields.get(name)?.default;
    const absent =
      value === undefined
        ? ''
        : `made.${name} = ${JSON.stringify(value)}; run.note("${name}", "default", "was absent");`;
    return `v = value.${name};
      if (v !== undefined && v !== null) { seen++; ${there} }
      else { if (v === null) { seen++; run.note("${name}", "drop", "null counts as absent"); } ${absent} }`;
  });
  const text = `return (value, run) => {
    const made = {};
    let seen = 0, v;
    ${lines.join('\n')}
    let members = 0;
    for (const _ in value) members++;
    if (members > seen) others(value, made, run);
    return made;
  }`;
  // oxlint-disable-next-line typescript/no-implied-eval -- as ajv does for the schema; see above for what stands in it
  const generate = new Function('clean', 'others', text) as (clean: readonly (Clean | null)[], rest: Rest) => Plan;
  return generate(cleaners, (value, made, run) => others(value, known, unknown, made, run));
}

type Rest = (value: Values, made: Record<string, unknown>, run: Run) => void;

function others(
  value: Values,
  known: ReadonlySet<string>,
  unknown: Unknown,
  made: Record<string, unknown>,
  run: Run,
): void {
  for (const name of Object.keys(value)) {
    if (known.has(name)) continue;
    if (unknown === 'reject') run.reject('field-unknown', name);
    else if (unknown === 'drop') run.note(name, 'drop', 'the rule knows no such field');
    else {
      const kept = keepUnknown(name, value[name], run);
      if (kept !== undefined) made[name] = kept;
    }
  }
}

function listCleaner({ items, max, sanitize }: FieldOf<'list'>, unknown: Unknown): Clean {
  const clean = cleanerOf(items, unknown) ?? asItIs;
  const cuts = sanitize.includes('truncate');
  return (value, run, name) => {
    if (!Array.isArray(value)) return value;
    let list: readonly unknown[] = value;
    if (list.length > max) {
      if (!cuts) return list; // the schema counts before it looks at items
      run.note(name, 'truncate', `cut to ${max} items`);
      list = list.slice(0, max);
    }
    const outside = run.at;
    run.at = stepBelow(outside, name);
    const made = list.map((item, index) => clean(item, run, index));
    run.at = outside;
    return made;
  };
}

function mapCleaner({ values, max }: FieldOf<'map'>, unknown: Unknown): Clean {
  const clean = cleanerOf(values, unknown) ?? asItIs;
  return (value, run, name) => {
    if (!isObject(value)) return value;
    const keys = Object.keys(value);
    if (keys.length > max) return value;
    const outside = run.at;
    run.at = stepBelow(outside, name);
    const made: Record<string, unknown> = {};
    for (const key of keys) {
      if (!isTellable(key) || isPrototypeName(key)) run.reject('map-key-invalid', key);
      else if (value[key] === null) run.note(key, 'drop', 'null counts as absent');
      else made[key] = clean(value[key], run, key);
    }
    run.at = outside;
    return made;
  };
}

function oneOfCleaner({ by, kinds }: FieldOf<'one-of'>, unknown: Unknown): Clean {
  const plans = new Map([...kinds].map(([kind, fields]) => [kind, objectPlan(fields, unknown, [by])]));
  return (value, run, name) => {
    if (!isObject(value)) return value;
    const plan = plans.get(String(value[by]));
    if (plan === undefined) return { [by]: value[by] }; // the schema names the kinds
    const outside = run.at;
    run.at = stepBelow(outside, name);
    const made = plan(value, run);
    run.at = outside;
    return made;
  };
}
