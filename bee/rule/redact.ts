// A rejected event without its secrets, for the dead letters: the whole of it, so that it can be mended, with what must not lie there hidden.
import { maskCards } from './characters.ts';
import { isPrototypeName } from './field-types.ts';
import type { Field, Fields } from './model.ts';
import { type Hide, hiderOf } from './protect.ts';
import { parseRuleName } from './read.ts';
import { isPersonal, isSecretName } from './unknown.ts';

const REMOVED = '[removed]';

/** JSON text of the event on one line. `fields`: of the rule for its data; null where there is none. */
export function redacted(event: unknown, fields: Fields | null, hash: Hide | null): string {
  const redactor = new Redactor(hash);
  if (typeof event !== 'object' || event === null || Array.isArray(event))
    return JSON.stringify(redactor.unnamed(event));
  const made: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(event)) {
    if (isPrototypeName(name)) continue;
    // What is no type may be anything.
    const isEnvelope =
      name === 'id' ||
      name === 'time' ||
      name === 'specversion' ||
      (name === 'type' && parseRuleName(String(value)) !== null);
    if (isEnvelope && typeof value !== 'object') made[name] = value;
    else if (name === 'data' && fields !== null) made[name] = redactor.object(value, fields);
    else made[name] = isSecretName(name) ? REMOVED : redactor.unnamed(value);
  }
  return JSON.stringify(made);
}

class Redactor {
  readonly #hash: Hide | null;

  constructor(hash: Hide | null) {
    this.#hash = hash;
  }

  object(value: unknown, fields: Fields): unknown {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return value !== null && hidesIn(fields) ? REMOVED : this.unnamed(value);
    const made: Record<string, unknown> = {};
    for (const [name, inner] of Object.entries(value)) {
      if (isPrototypeName(name)) continue;
      const field = fields.get(name);
      if (field !== undefined) made[name] = this.#field(inner, field);
      else made[name] = isSecretName(name) ? REMOVED : this.unnamed(inner);
    }
    return made;
  }

  #field(value: unknown, field: Field): unknown {
    if (value === null) return null;
    const { sanitize } = field;
    if (sanitize.includes('drop')) return REMOVED;
    if (sanitize.includes('hash') || sanitize.includes('mask')) {
      const hide = hiderOf(field, this.#hash);
      return typeof value === 'string' && hide !== null ? hide(value) : REMOVED;
    }
    if (field.type === 'list' && Array.isArray(value)) return value.map((item) => this.#field(item, field.items));
    const isObject = typeof value === 'object' && !Array.isArray(value);
    if (isObject && field.type !== 'list') return this.#objectOf(value, field);
    // Of the wrong shape: what should have been hidden may be anywhere in it.
    if (hides(field)) return REMOVED;
    return typeof value === 'object' ? this.unnamed(value) : cardless(value);
  }

  #objectOf(value: object, field: Field): unknown {
    switch (field.type) {
      case 'nested':
        return this.object(value, field.fields);
      case 'map':
        return Object.fromEntries(
          Object.entries(value).flatMap(([key, inner]) =>
            isPrototypeName(key) ? [] : [[key, this.#field(inner, field.values)]],
          ),
        );
      case 'one-of': {
        const kind = field.kinds.get(String((value as Record<string, unknown>)[field.by]));
        // Of an unknown kind any field of any kind may be the secret.
        return this.object(value, kind ?? new Map([...field.kinds.values()].flatMap((fields) => [...fields])));
      }
      default:
        return this.unnamed(value);
    }
  }

  /** What no rule names may be an address of a person. */
  unnamed(value: unknown): unknown {
    if (isPersonal(value)) return REMOVED;
    if (typeof value === 'string') return maskCards(value);
    if (Array.isArray(value)) return value.map((item) => this.unnamed(item));
    if (typeof value !== 'object' || value === null) return cardless(value);
    return this.object(value, new Map());
  }
}

/** A card number may come as a number too. */
const cardless = (value: unknown): unknown =>
  typeof value === 'string' ? maskCards(value) : isPersonal(value) ? REMOVED : value;

const hidesIn = (fields: Fields): boolean => [...fields.values()].some(hides);

/** Whether the field, or one below it, is masked, hashed or dropped. */
function hides(field: Field): boolean {
  if ((['mask', 'hash', 'drop'] as const).some((name) => field.sanitize.includes(name))) return true;
  switch (field.type) {
    case 'list':
      return hides(field.items);
    case 'map':
      return hides(field.values);
    case 'nested':
      return hidesIn(field.fields);
    case 'one-of':
      return [...field.kinds.values()].some(hidesIn);
    default:
      return false;
  }
}
