// What texts of each field type look like: patterns of our own, all linear, and formats where a pattern cannot tell.
import { isIPv4, isIPv6 } from 'node:net';
import { parseTime } from '#core/time.ts';

export const ID = String.raw`^[A-Za-z0-9_][A-Za-z0-9_.:~+/=@-]*$`;
export const UUID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$';
export const EMAIL = String.raw`^[A-Za-z0-9.!#$%&'*+/=?^_\x60{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$`;
export const PHONE = String.raw`^\+[1-9][0-9]{6,14}$`;
/** `mask` leaves the last four digits. */
export const MASKED_PHONE = String.raw`^\+[1-9*][0-9*]{6,14}$`;
export const LOCALE = '^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?$';
export const VERSION = String.raw`^[0-9]{1,9}(?:\.[0-9]{1,9}){0,3}(?:[-+][0-9A-Za-z.+-]{1,40})?$`;
/** What `hash` leaves; see protect.ts. */
export const HASH = '^hmac:[A-Za-z0-9_-]{32}$';
export const MAP_KEY = '^[A-Za-z0-9_.-]{1,64}$';
export const WORD = '^[A-Za-z0-9_.-]*$';
export const ASCII = String.raw`^[\x20-\x7e]*$`;

/** What programs send where they have no id: words, and zeros with or without dashes. */
const PLACEHOLDER =
  /^(?:[0-]+|null|undefined|\[object object\]|anonymous|guest|nan|none|true|false|nil|unknown|test)$/i;

export const isPlaceholder = (text: string): boolean => PLACEHOLDER.test(text);

/** RFC 3339 in capital letters, from 1970 on, without leap seconds; whether the month has such a day the format says. */
export const TIMESTAMP = String.raw`^(?:19[7-9][0-9]|[2-9][0-9]{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,12})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$`;

/** Days up to the 28th are in every month. */
function hasDay(text: string): boolean {
  const tens = text.charCodeAt(8);
  return tens < 0x32 || (tens === 0x32 && text.charCodeAt(9) < 0x39) || parseTime(text) !== null;
}

const isIp = (text: string): boolean => isIPv4(text) || (isIPv6(text) && !text.includes('%'));

const URL_CHARACTERS = /^[a-z][a-z0-9+.-]*:[\x21\x23-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/;

/** Whether the text is an absolute URL that says no user. The scheme is looked at elsewhere. */
export function isUrl(text: string): boolean {
  if (!URL_CHARACTERS.test(text)) return false;
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  // A browser takes `https:example.com` and `http:///example.com` for absolute; others read a path in them.
  return url.hostname === '' ? !text.includes('://') : /^[a-z][a-z0-9+.-]*:\/\/[^/]/.test(text);
}

/** By the name under which the compiled schemas have them. */
export const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  id: (text) => !isPlaceholder(text),
  day: hasDay,
  ip: isIp,
  url: isUrl,
  'map-key': (text) => !(text in Object.prototype) && text !== 'prototype',
};
