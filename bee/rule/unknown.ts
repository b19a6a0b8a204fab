// Fields that no rule names, where a rule keeps them: cleaned as text is, without names of secrets, within limits.
import { isIP } from 'node:net';
import { isTellable, stepBelow } from '../strict-json.ts';
import { PLAIN, cleanText, maskCards, truncate } from './characters.ts';
import type { Run } from './clean.ts';
import { isPrototypeName } from './field-types.ts';

const PERSONAL = 'tells of a person';
const MAX_TEXT = 1000;
const MAX_MEMBERS = 100;
const MAX_DEPTH = 8;
const SECRET =
  /^(?:.*[_.-])?(?:pass(?:_?words?|wd|phrase)?|pwd|secrets?|tokens?|auth|authorization|credentials?|bearer|cookies?|session|cvv|cvc|ssn|pin|otp|jwt|[cx]srf|credit_?card|(?:card|cc)_?(?:number|num|no)|(?:api|access|private|secret|client)[_-]?(?:key|secret|token)s?)$/;
const EMAIL = /^[^@\s]{1,64}@[^@\s]{1,255}$/;

/** Whether a member is a secret by its name: `password`, `accessToken`, `x-api-key`. */
export const isSecretName = (name: string): boolean =>
  name.length <= 100 && SECRET.test(name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase());

/** Whether a value tells of a person by itself: an e-mail or network address, or a number that may be that of a card. */
export function isPersonal(value: unknown): boolean {
  if (typeof value === 'number') return maskCards(String(value)) !== String(value);
  if (typeof value !== 'string') return false;
  const text = value.trim();
  return EMAIL.test(text) || isIP(text) !== 0;
}

/** Undefined where it must not go on. */
export function keepUnknown(name: string, value: unknown, run: Run, depth = 1): unknown {
  const why = refused(name, value, depth);
  const made = why === null ? kept(name, value, run, depth) : undefined;
  if (why === null && !isPersonal(made)) return made;
  run.note(name, 'drop', why ?? PERSONAL);
  return undefined;
}

function refused(name: string, value: unknown, depth: number): string | null {
  if (!isTellable(name) || isPrototypeName(name)) return 'a name as none can be kept';
  if (isSecretName(name)) return 'by its name a secret';
  return typeof value === 'object' && depth > MAX_DEPTH ? 'nested too deep' : null;
}

function kept(name: string | number, value: unknown, run: Run, depth: number): unknown {
  if (typeof value === 'string') return keptText(name, value, run);
  if (typeof value !== 'object' || value === null) return value === 0 ? 0 : value;
  const outside = run.at;
  run.at = stepBelow(outside, name);
  const made = Array.isArray(value)
    ? keptList(value, run, depth)
    : keptObject(value as Record<string, unknown>, run, depth);
  run.at = outside;
  return made;
}

function keptList(list: readonly unknown[], run: Run, depth: number): unknown[] {
  if (list.length > MAX_MEMBERS) run.note('', 'truncate', `cut to ${MAX_MEMBERS} items`);
  return list.slice(0, MAX_MEMBERS).map((item, index) => {
    const made = depth >= MAX_DEPTH && typeof item === 'object' ? null : kept(index, item, run, depth + 1);
    if (!isPersonal(made)) return made;
    run.note(index, 'drop', PERSONAL);
    return null;
  });
}

function keptObject(value: Readonly<Record<string, unknown>>, run: Run, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [index, name] of Object.keys(value).entries()) {
    if (index >= MAX_MEMBERS) {
      run.note('', 'truncate', `cut to ${MAX_MEMBERS} members`);
      break;
    }
    const inner = keepUnknown(name, value[name], run, depth + 1);
    if (inner !== undefined) made[name] = inner;
  }
  return made;
}

function keptText(name: string | number, value: string, run: Run): string {
  if (value.length < 13 && PLAIN.test(value)) return value;
  let text = value;
  for (let pass = 0; pass < 6; pass++) {
    const before = text;
    if (!PLAIN.test(text)) text = cleanText(text, true).text;
    text = truncate(maskCards(text), MAX_TEXT);
    if (text === before) break;
  }
  if (text !== value) run.note(name, 'strip', 'cleaned as a text of no field is');
  return text;
}
