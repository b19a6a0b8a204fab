// What is hidden once an event is known to be valid: masked or hashed. Doing it twice is doing it once.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { stepBelow } from '../strict-json.ts';
import type { Run } from './clean.ts';
import type { Field, Fields } from './model.ts';

/** Text to the text that hides it. */
export type Hide = (text: string) => string;
/** For a value as it is after validation; `name` as in Clean. */
type Protect = (value: unknown, run: Run, name: string | number) => unknown;

const HASHED = /^hmac:([A-Za-z0-9_-]{32})$/;
const DIGEST = 16;
const PROOF = 8;

/**
 * `hmac:` and 24 bytes: 16 of the HMAC-SHA-256 of the value, and 8 of that of those, which prove that they are ours. So a hash that comes
 * in again stays as it is, and one that a sender made up is hashed like any other text.
 */
export function hasher(key: string): Hide {
  const proofOf = (digest: Buffer): Buffer =>
    createHmac('sha256', key).update('proof\0').update(digest).digest().subarray(0, PROOF);
  return (text) => {
    const [, own] = HASHED.exec(text) ?? [];
    if (own !== undefined) {
      const bytes = Buffer.from(own, 'base64url');
      if (timingSafeEqual(bytes.subarray(DIGEST), proofOf(bytes.subarray(0, DIGEST)))) return text;
    }
    const digest = createHmac('sha256', key).update('value\0').update(text).digest().subarray(0, DIGEST);
    return `hmac:${Buffer.concat([digest, proofOf(digest)]).toString('base64url')}`;
  };
}

const stars = (text: string): string => '*'.repeat(Array.from(text).length);

/** What may stand beside some characters alone (characters.ts): a star is none of these. */
const JOINERS = /\u200c|\u200d|\ufe0e|\ufe0f/g;

/** All but the last four characters, or but the last quarter of a short text. */
function maskText(text: string): string {
  const characters = Array.from(text); // code points, as maxLength counts them
  const open = Math.min(4, characters.length >> 2);
  const hidden = characters.length - open;
  const tail = characters.slice(hidden).join('');
  return '*'.repeat(hidden) + tail.replace(JOINERS, '*');
}

/** `j****@example.com`: a star may stand in the local part of an address. */
function maskEmail(text: string): string {
  const at = text.lastIndexOf('@');
  if (at < 1) return stars(text);
  return `${at === 1 ? '*' : text.charAt(0)}${'*'.repeat(at - 1)}${text.slice(at)}`;
}

const maskPhone = (text: string): string => text.replace(/[0-9](?=[0-9*]{4})/g, '*');

const maskUrl = (text: string): string => text.replace(/[?#].*$/s, '');

/** The network: the first 24 bits of IPv4, the first 48 of IPv6. */
function maskIp(text: string): string {
  if (isIPv4(text)) return text.replace(/[0-9]+$/, '0');
  const host = URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1) ?? '::';
  const [head = '', tail] = host.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  const network = groups.slice(0, 3).map((group) => Number.parseInt(group, 16).toString(16));
  while (network.at(-1) === '0') network.pop();
  return `${network.join(':')}::`;
}

function masker(type: Field['type']): Hide {
  switch (type) {
    case 'email':
      return maskEmail;
    case 'phone':
      return maskPhone;
    case 'url':
      return maskUrl;
    case 'ip':
      return maskIp;
    default:
      return maskText;
  }
}

/** How a field's own text is hidden; null where it is not. */
export function hiderOf(field: Field, hash: Hide | null): Hide | null {
  if (field.sanitize.includes('hash')) return hash;
  return field.sanitize.includes('mask') ? masker(field.type) : null;
}

/** Details of these changes. */
export const HIDDEN: Readonly<Record<'mask' | 'hash', string>> = { mask: 'masked', hash: 'hashed' };

/** Null where nothing below the field is hidden. */
function protectorOf(field: Field, hash: Hide | null): Protect | null {
  const hide = hiderOf(field, hash);
  if (hide !== null) {
    const by = field.sanitize.includes('hash') ? 'hash' : 'mask';
    return (value, run, name) => {
      if (typeof value !== 'string') return value;
      const hidden = hide(value);
      if (hidden !== value) run.note(name, by, HIDDEN[by]);
      return hidden;
    };
  }
  switch (field.type) {
    case 'list': {
      const each = protectorOf(field.items, hash);
      if (each === null) return null;
      return below((value, run) => (value as readonly unknown[]).map((item, index) => each(item, run, index)));
    }
    case 'map': {
      const each = protectorOf(field.values, hash);
      if (each === null) return null;
      return below((value, run) =>
        Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, each(inner, run, key)])),
      );
    }
    case 'nested': {
      const inner = protectorOfFields(field.fields, hash);
      return inner === null ? null : below(inner);
    }
    case 'one-of': {
      const kinds = new Map([...field.kinds].map(([kind, fields]) => [kind, protectorOfFields(fields, hash)]));
      if ([...kinds.values()].every((protect) => protect === null)) return null;
      return below(
        (value, run) => kinds.get(String((value as Record<string, unknown>)[field.by]))?.(value, run) ?? value,
      );
    }
    default:
      return null;
  }
}

export type ProtectAll = (value: unknown, run: Run) => unknown;

/** With the run's place set to that of the value. */
function below(protect: ProtectAll): Protect {
  return (value, run, name) => {
    const outside = run.at;
    run.at = stepBelow(outside, name);
    const made = protect(value, run);
    run.at = outside;
    return made;
  };
}

/** The object is made anew where something in it is hidden. */
export function protectorOfFields(fields: Fields, hash: Hide | null): ProtectAll | null {
  const hidden = [...fields].flatMap(([name, field]) => {
    const protect = protectorOf(field, hash);
    return protect === null ? [] : [[name, protect] as const];
  });
  if (hidden.length === 0) return null;
  return (value, run) => {
    const made: Record<string, unknown> = { ...(value as Record<string, unknown>) };
    for (const [name, protect] of hidden) if (made[name] !== undefined) made[name] = protect(made[name], run, name);
    return made;
  };
}
