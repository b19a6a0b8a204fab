// A new version of a rule against the old: what breaks those who send, and those who read.
import { compareDecimals } from './decimal.ts';
import { conditionTexts } from './conditions.ts';
import type { Characters, Field, Fields, Rule } from './model.ts';

export interface CompatibilityChange {
  /** `senders`: events that were accepted may be rejected. `readers`: what goes on may lack, or be other than, what they know. */
  readonly breaks: 'senders' | 'readers' | 'nobody';
  readonly path: string;
  readonly text: string;
}

export function compareRules(before: Rule, after: Rule): readonly CompatibilityChange[] {
  const found = compareFields(before.fields, after.fields, '/data', after.unknown === 'reject');
  const [known, now] = [before.conditions.flatMap(conditionTexts), after.conditions.flatMap(conditionTexts)];
  const added = now.filter((text) => !known.includes(text));
  const gone = known.filter((text) => !now.includes(text));
  return [
    ...found,
    ...added.map((text) => ({ breaks: 'senders' as const, path: '/data', text: `new condition: ${text}` })),
    ...gone.map((text) => ({ breaks: 'readers' as const, path: '/data', text: `no longer: ${text}` })),
    ...(after.unknown === 'reject' && before.unknown !== 'reject'
      ? [{ breaks: 'senders' as const, path: '/data', text: 'fields that the rule does not name are rejected now' }]
      : []),
    ...(before.unknown === 'keep' && after.unknown !== 'keep'
      ? [{ breaks: 'readers' as const, path: '/data', text: 'fields that the rule does not name are no longer kept' }]
      : []),
  ];
}

function compareFields(before: Fields, after: Fields, above: string, strict: boolean): readonly CompatibilityChange[] {
  const gone = [...before].flatMap(([name, field]): readonly CompatibilityChange[] => {
    const now = after.get(name);
    if (now !== undefined) return compareField(field, now, `${above}/${name}`, strict);
    return [
      { breaks: 'readers', path: `${above}/${name}`, text: 'is gone' },
      ...(strict ? [{ breaks: 'senders' as const, path: `${above}/${name}`, text: 'is rejected now' }] : []),
    ];
  });
  const added = [...after]
    .filter(([name]) => !before.has(name))
    .map(([name, { required }]): CompatibilityChange => ({
      breaks: required ? 'senders' : 'nobody',
      path: `${above}/${name}`,
      text: required ? 'is new and required' : 'is new',
    }));
  return [...gone, ...added];
}

/** What readers see of a value, and what makes one that would be rejected fit. */
const CHANGING = ['hash', 'mask', 'drop', 'lower', 'round'] as const;
const MENDING = ['drop', 'trim', 'lower', 'round', 'truncate'] as const;

function compareField(before: Field, after: Field, path: string, strict: boolean): readonly CompatibilityChange[] {
  const senders = (text: string): CompatibilityChange => ({ breaks: 'senders', path, text });
  const readers = (text: string): CompatibilityChange => ({ breaks: 'readers', path, text });
  if (before.type !== after.type)
    return [senders(`was ${before.type} and is ${after.type}`), readers(`was ${before.type} and is ${after.type}`)];
  const found: CompatibilityChange[] = [];
  if (after.required && !before.required) found.push(senders('is required now'));
  if (before.required && !after.required) found.push(readers('may be absent now'));
  if (before.default !== after.default && before.default !== undefined)
    found.push(
      readers(after.default === undefined ? 'has no default any more' : `its default is ${after.default} now`),
    );
  for (const name of CHANGING)
    if (after.sanitize.includes(name) !== before.sanitize.includes(name))
      found.push(readers(after.sanitize.includes(name) ? `${name} is new` : `${name} is no longer done`));
  for (const name of MENDING)
    if (before.sanitize.includes(name) && !after.sanitize.includes(name))
      found.push(senders(`${name} is no longer done`));
  const cuts = after.sanitize.includes('truncate');
  if (limit(after, 'max') < limit(before, 'max') && !cuts) found.push(senders('has a lower max'));
  if (limit(after, 'min') > limit(before, 'min')) found.push(senders('has a higher min'));
  if (limit(after, 'max') > limit(before, 'max'))
    found.push(
      before.sanitize.includes('truncate') && !takesAnyCharacter(before)
        ? senders('has a higher max: what was cut off must fit now')
        : { breaks: 'nobody', path, text: 'has a higher max' },
    );
  return [...found, ...compareOwn(before, after, path, strict, senders, readers)];
}

const takesAnyCharacter = (field: Field): boolean =>
  field.type === 'text' && (field.characters === 'line' || field.characters === 'lines');

/** Numbers; decimals are compared elsewhere. */
function limit(field: Field, which: 'min' | 'max'): number {
  const value = which in field ? (field as unknown as Readonly<Record<string, unknown>>)[which] : undefined;
  return typeof value === 'number' ? value : 0;
}

type Say = (text: string) => CompatibilityChange;

function compareOwn(
  before: Field,
  after: Field,
  path: string,
  strict: boolean,
  senders: Say,
  readers: Say,
): readonly CompatibilityChange[] {
  if (before.type === 'enum' && after.type === 'enum')
    return compareWords(before.values.map(wordOf(after)), after.values, senders, readers);
  if (before.type === 'money' && after.type === 'money')
    return [
      ...compareWords(before.currencies, after.currencies, senders, readers),
      ...compareDecimalLimits(before, after, senders),
    ];
  if (before.type === 'decimal' && after.type === 'decimal')
    return [
      ...compareDecimalLimits(before, after, senders),
      ...(after.scale < before.scale && !after.sanitize.includes('round') ? [senders('takes fewer digits')] : []),
    ];
  if (before.type === 'url' && after.type === 'url')
    return compareWords(before.schemes, after.schemes, senders, readers);
  if (before.type === 'text' && after.type === 'text')
    return [
      ...compareCharacters(before.characters, after.characters, senders, readers),
      ...(before.cards === after.cards
        ? []
        : [readers(`card numbers are ${after.cards === 'keep' ? 'kept' : 'masked'} now`)]),
    ];
  if (before.type === 'id' && after.type === 'id')
    return before.form === after.form
      ? []
      : [after.form === 'uuid' ? senders('must be a UUID now') : readers('may be no UUID now')];
  if (before.type === 'list' && after.type === 'list')
    return [
      ...(after.unique && !before.unique ? [senders('must not repeat items now')] : []),
      ...(before.unique && !after.unique ? [readers('may repeat items now')] : []),
      ...compareField(before.items, after.items, `${path}/-`, strict),
    ];
  if (before.type === 'map' && after.type === 'map')
    return compareField(before.values, after.values, `${path}/*`, strict);
  if (before.type === 'nested' && after.type === 'nested')
    return compareFields(before.fields, after.fields, path, strict);
  if (before.type === 'one-of' && after.type === 'one-of') {
    if (before.by !== after.by) return [senders(`is decided by ${after.by}, not ${before.by}`)];
    return [
      ...compareWords([...before.kinds.keys()], [...after.kinds.keys()], senders, readers),
      ...[...before.kinds].flatMap(([kind, fields]) => {
        const now = after.kinds.get(kind);
        return now === undefined ? [] : compareFields(fields, now, `${path}(${kind})`, strict);
      }),
    ];
  }
  return [];
}

/** As it is looked for. */
const wordOf =
  ({ sanitize }: Field) =>
  (word: string): string =>
    sanitize.includes('lower') ? word.toLowerCase() : word;

/** Each takes all that those before it take; and line breaks that are not taken become blanks. */
const WIDTHS: readonly Characters[] = ['word', 'ascii', 'line', 'lines'];

function compareCharacters(
  was: Characters,
  is: Characters,
  senders: Say,
  readers: Say,
): readonly CompatibilityChange[] {
  if (was === is || (was === 'lines' && is === 'line')) return [];
  return WIDTHS.indexOf(is) > WIDTHS.indexOf(was)
    ? [readers(`may have other characters now: ${is}`)]
    : [senders(`takes other characters: ${is}`)];
}

function compareWords(
  before: readonly string[],
  after: readonly string[],
  senders: Say,
  readers: Say,
): readonly CompatibilityChange[] {
  const gone = before.filter((word) => !after.includes(word));
  const added = after.filter((word) => !before.includes(word));
  return [
    ...(gone.length > 0 ? [senders(`no longer takes ${gone.join(', ')}`)] : []),
    ...(added.length > 0 ? [readers(`may be ${added.join(', ')} now`)] : []),
  ];
}

function compareDecimalLimits(
  before: { readonly min: string; readonly max: string },
  after: { readonly min: string; readonly max: string },
  senders: Say,
): readonly CompatibilityChange[] {
  return [
    ...(compareDecimals(after.max, before.max) < 0 ? [senders('has a lower max')] : []),
    ...(compareDecimals(after.min, before.min) > 0 ? [senders('has a higher min')] : []),
  ];
}
