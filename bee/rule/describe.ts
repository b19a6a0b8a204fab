// A field in words: for messages to app developers, for /rules and for explanations.
import type { Field } from './model.ts';

/** `text of 1 to 200 characters`: what stands behind "must be" or "takes". */
export function acceptsText(field: Field): string {
  switch (field.type) {
    case 'text': {
      const kinds = {
        line: 'text on one line',
        lines: 'text',
        ascii: 'text of printable ASCII',
        word: 'a word of A-Z a-z 0-9 _ . -',
      };
      return `${kinds[field.characters]}, of ${field.min} to ${field.max} characters`;
    }
    case 'id':
      return field.form === 'uuid'
        ? 'a UUID such as 0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f'
        : `an id of 1 to ${field.max} letters, digits and _ . : ~ - + / = @ that begins with a letter, digit or _`;
    case 'integer':
      return `a whole number ${rangeText(field.min, field.max)}`;
    case 'decimal':
      return `a decimal number as a string, such as "0.50", ${rangeText(field.min, field.max)} with at most ${field.scale} digits behind the point`;
    case 'money':
      return `an object of amount and currency (${field.currencies.join(', ')}), such as {"amount":"12.50","currency":"${field.currencies[0] ?? 'USD'}"}, ${rangeText(field.min, field.max)}`;
    case 'boolean':
      return 'true or false';
    case 'timestamp':
      return 'a timestamp with its zone such as 2026-11-23T14:00:00Z (RFC 3339)';
    case 'enum':
      return `one of ${field.values.join(', ')}`;
    case 'email':
      return 'an e-mail address such as name@example.com';
    case 'phone':
      return 'a telephone number with its country such as +13125550123 (E.164)';
    case 'url':
      return `an absolute URL (${field.schemes.join(', ')}) without user and password, of at most ${field.max} characters, percent-encoded`;
    case 'geo':
      return 'an object of lat (-90 to 90) and lon (-180 to 180) in degrees';
    case 'locale':
      return 'a language such as en or en-US (BCP 47)';
    case 'version':
      return 'a version such as 4.12.0';
    case 'ip':
      return 'an IPv4 or IPv6 address';
    case 'list':
      return `a list of ${field.min} to ${field.max} items${field.unique ? ', each once' : ''}, each ${acceptsText(field.items)}`;
    case 'map':
      return `an object of at most ${field.max} entries with keys of your own, each value ${acceptsText(field.values)}`;
    case 'nested':
      return 'an object with the fields below';
    case 'one-of':
      return `an object whose ${field.by} is ${[...field.kinds.keys()].join(' or ')}, with the fields of that kind`;
    default:
      return field satisfies never;
  }
}

/** `from 0 to 100`, `of 1 or more`; nothing where there is no bound of the rule's own. */
export function rangeText(min: number | string, max: number | string): string {
  if (min === -Number.MAX_SAFE_INTEGER) return max === Number.MAX_SAFE_INTEGER ? 'within 2^53' : `of at most ${max}`;
  return max === Number.MAX_SAFE_INTEGER ? `of ${min} or more` : `from ${min} to ${max}`;
}

/** The kind of JSON value. */
export function kindText(type: Field['type']): string {
  switch (type) {
    case 'integer':
      return 'a whole number';
    case 'boolean':
      return 'true or false';
    case 'list':
      return 'a list';
    case 'map':
    case 'nested':
    case 'one-of':
    case 'money':
    case 'geo':
      return 'an object';
    default:
      return 'a string';
  }
}
