// Keys of sources: NAME "." SECRET, known here by their hash alone. A secret has 256 random bits, so one SHA-256 is as good as a slow hash, and
// guessing costs the guesser, not us. The name tells which hashes to compare, and is no secret.
import { hash, timingSafeEqual } from 'node:crypto';
import type { BeeKeyConfig } from '#core/config/bee-config.ts';
import { matcher, type TypeMatcher } from '#core/patterns.ts';

/** Who sends. */
export interface Sender {
  /** Name of its key, for counters and limits. */
  readonly name: string;
  /** What its events bear as `source`; null for an operator who replays: the events say. */
  readonly source: string | null;
  readonly allows: TypeMatcher;
}

export interface Keyring {
  /** Null for a key that is not known. Takes the same time however much of a key is right. */
  readonly find: (key: string) => Sender | null;
}

const PREFIX = 'sha256:';
const SECRET_BYTES = 32;
/** Longer than any key of ours: not looked at. */
const MAX_KEY = 200;
const NOTHING = Buffer.alloc(32);

const digest = (key: string): Buffer => hash('sha256', key, 'buffer');

/** `token`: that of Bee itself, by which dead letters are replayed. */
export function createKeyring(keys: readonly BeeKeyConfig[], token: string): Keyring {
  const senders = new Map(
    keys.map(({ name, hashes, source, types }) => {
      const wanted = hashes.map((text) => Buffer.from(text.slice(PREFIX.length), 'hex'));
      return [name, { sender: { name, source, allows: matcher(types) }, hashes: wanted }];
    }),
  );
  const operator: Sender = { name: 'replay', source: null, allows: () => true };
  const tokenHash = digest(token);
  return {
    find(key) {
      if (key.length > MAX_KEY) return null;
      const presented = digest(key);
      const entry = senders.get(key.slice(0, Math.max(0, key.indexOf('.'))));
      const [first = NOTHING, second = NOTHING] = entry?.hashes ?? [];
      const isFirst = timingSafeEqual(presented, first);
      const isSecond = timingSafeEqual(presented, second);
      const isToken = timingSafeEqual(presented, tokenHash);
      if (isToken && token !== '') return operator;
      return entry !== undefined && (isFirst || isSecond) ? entry.sender : null;
    },
  };
}

/** A new key and its hash for the configuration. `random`: fills the array. */
export function makeKey(
  name: string,
  random: (target: Uint8Array) => unknown,
): { readonly key: string; readonly hash: string } {
  const secret = Buffer.alloc(SECRET_BYTES);
  random(secret);
  const key = `${name}.${secret.toString('base64url')}`;
  return { key, hash: `${PREFIX}${digest(key).toString('hex')}` };
}
