// The kinds of text in the configuration: what each looks like, for the schema, for editors and for messages.
import { addressPattern, durationPattern, parseAddress, parseDuration, parseSize, sizePattern } from '../units.ts';

export interface TextKind {
  readonly pattern: RegExp;
  /** Completes "must be …". */
  readonly expected: string;
  /** What the pattern cannot say. */
  readonly check?: (text: string) => boolean;
}

const address = addressPattern.source.slice(1, -1);
const word = '[A-Za-z0-9_-]+';
/** Of names as they come in, which may hold what a type may not. */
const nameWord = '[^.*{}\\s]+';
const patternOf = (oneWord: string): RegExp =>
  new RegExp(`^(?=.{1,200}$)(${oneWord}|\\*{1,2})(\\.(${oneWord}|\\*{1,2}))*$`);

export const textKinds = {
  name: {
    pattern: /^[a-z][a-z0-9-]{0,62}$/,
    expected: 'a name of small letters, digits and "-" that begins with a letter',
  },
  size: {
    pattern: sizePattern,
    expected: 'a size such as "64MiB", "1MB" or "10GiB"',
    check: (text) => parseSize(text) !== null,
  },
  duration: {
    pattern: durationPattern,
    expected: 'a duration such as "100ms", "5m" or "7d"',
    check: (text) => parseDuration(text) !== null,
  },
  address: {
    pattern: addressPattern,
    expected: 'an address "host:port" such as "127.0.0.1:9880"',
    check: (text) => parseAddress(text) !== null,
  },
  'amqp-url': {
    pattern: new RegExp(`^amqps?://${address}$`),
    expected: '"amqp://host:port" without user and password (those stand under users)',
    check: (text) => parseAddress(text.replace(/^amqps?:\/\//, '')) !== null,
  },
  'http-url': {
    pattern: new RegExp(`^https?://${address}$`),
    expected: '"http://host:port" without user and password (those stand under users)',
    check: (text) => parseAddress(text.replace(/^https?:\/\//, '')) !== null,
  },
  endpoint: {
    pattern: /^https?:\/\/[^\s@/?#]+\/?$/,
    expected: 'an address such as "http://s3:7070", without user, password and path',
    check: (text) => URL.canParse(text),
  },
  'event-type': {
    pattern: new RegExp(`^(?=.{1,200}$)${word}(\\.${word})*$`),
    expected: 'an event type: words of letters, digits, "_" and "-", joined by dots, at most 200 characters',
  },
  'type-pattern': {
    pattern: patternOf(word),
    expected:
      'a pattern for event types: whole words joined by dots, where "*" is one word and "**" any number of words',
  },
  'name-pattern': {
    pattern: patternOf(nameWord),
    expected: 'a pattern for names: whole words joined by dots, where "*" is one word and "**" any number of words',
  },
  'absolute-path': { pattern: /^\//, expected: 'an absolute path' },
  prefix: { pattern: /^([^/].*\/)?$/, expected: 'empty, or end (and not begin) with "/"' },
  bucket: {
    pattern: /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
    expected: 'a bucket name: 3 to 63 small letters, digits, "." and "-"',
  },
  pointer: {
    pattern: /^(\/([^~/]|~[01])*)+$/,
    expected: 'a JSON pointer (RFC 6901) such as "/data/user/id"',
  },
  'data-pointer': {
    pattern: /^\/data(\/([^~/]|~[01])*)+$/,
    expected: 'a JSON pointer (RFC 6901) below /data, such as "/data/user/id"',
  },
  fingerprint: {
    pattern: /^[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}$/,
    expected: 'a SHA-256 fingerprint: 32 bytes in hexadecimal, with or without colons',
  },
  'key-hash': {
    pattern: /^sha256:[0-9a-f]{64}$/,
    expected: 'the hash of a key: "sha256:" and 64 hexadecimal digits, as waggle bee key prints it',
  },
  'uri-reference': {
    pattern: /^[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]{1,200}$/,
    expected: 'a URI reference such as "/apps/ios", at most 200 characters',
  },
  origin: {
    pattern: /^(\*|https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?)$/,
    expected: 'an origin such as "https://www.example.com", without a path, or "*" for any',
  },
  network: {
    pattern: /^[0-9A-Fa-f.:]+(\/[0-9]{1,3})?$/,
    expected: 'an address or a network such as "10.0.0.0/8"',
    check: (text) => isNetwork(text),
  },
  'hdfs-path': {
    // HDFS refuses ":" in names (DFSUtil.isValidName).
    pattern: /^(\/[^/:\s]+)+$/,
    expected: 'an absolute path such as "/events", without ":" and blanks',
    check: (text) => !text.split('/').some((step) => step === '.' || step === '..'),
  },
  'hdfs-user': {
    pattern: /^[A-Za-z_][A-Za-z0-9._-]*[$]?$/,
    expected: 'a user name as WebHDFS takes it: letters, digits, ".", "_" and "-"',
  },
  index: {
    pattern: /^[a-z0-9][a-z0-9._-]{0,199}$/,
    expected: 'an index name: small letters, digits, ".", "_" and "-", at most 200',
  },
  'time-zone': {
    pattern: /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/,
    expected: 'a time zone such as "UTC" or "America/Chicago"',
    check: isTimeZone,
  },
  'field-name': {
    pattern: /^[A-Za-z][A-Za-z0-9_.-]{0,99}$/,
    expected: 'a field name: letters, digits, ".", "_" and "-" after a letter',
  },
} as const satisfies Record<string, TextKind>;

/** Address and length of the prefix, both in range. */
function isNetwork(text: string): boolean {
  const [bare = '', prefix = '0'] = text.split('/');
  const isV4 = /^\d{1,3}(\.\d{1,3}){3}$/.test(bare) && bare.split('.').every((part) => Number(part) <= 255);
  const isV6 = bare.includes(':') && URL.canParse(`http://[${bare}]/`);
  return (isV4 || isV6) && Number(prefix) <= (isV4 ? 32 : 128);
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export type TextKindName = keyof typeof textKinds;
