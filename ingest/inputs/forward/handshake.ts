// Who may send: the handshake of the forward protocol, where a shared key or users are configured. The server speaks first.
//   server  ["HELO", {"nonce": bin, "auth": bin (empty: no user is asked for), "keepalive": true}]
//   client  ["PING", hostname, salt, hex(sha512(salt hostname nonce shared_key)), user, hex(sha512(auth user password))]
//   server  ["PONG", true, "", name, hex(sha512(salt name nonce shared_key))]  or  ["PONG", false, reason, "", ""], and closes
import { createHash, timingSafeEqual } from 'node:crypto';
import type { RandomSource } from '#core/uuid.ts';
import type { ForwardInputConfig } from '#core/config/input-config.ts';
import { Head, Walk, bytesAt, encodeArrayHead, encodeBoolean, encodeBytes, encodeMap, encodeText } from './msgpack.ts';

export type Security = Pick<ForwardInputConfig, 'sharedKey' | 'users'>;

export const isSecured = ({ sharedKey, users }: Security): boolean => sharedKey !== '' || users.length > 0;

export interface Verdict {
  readonly admitted: boolean;
  readonly pong: Buffer;
}

const SALT = 16;

/** One connection's. */
export class Handshake {
  readonly hello: Buffer;
  readonly #security: Security;
  readonly #name: string;
  readonly #nonce = new Uint8Array(SALT);
  readonly #auth: Uint8Array;

  constructor(security: Security, host: string, random: RandomSource) {
    this.#security = security;
    // A client refuses a server of its own name, and it runs on the same host.
    this.#name = `waggle.${host}`;
    random(this.#nonce);
    this.#auth = new Uint8Array(security.users.length > 0 ? SALT : 0);
    random(this.#auth);
    this.hello = Buffer.concat([
      encodeArrayHead(2),
      encodeText('HELO'),
      encodeMap([
        ['nonce', encodeBytes(this.#nonce)],
        ['auth', encodeBytes(this.#auth)],
        ['keepalive', encodeBoolean(true)],
      ]),
    ]);
  }

  /** To the client's message, a whole value of msgpack. */
  answer(buf: Buffer, at: number, end: number): Verdict {
    const parts = partsOf(buf, at, end);
    if (parts === null || parts[0].toString('latin1') !== 'PING') return denied('a PING was expected');
    const [, hostname, salt, digest, user, password] = parts;
    const { sharedKey, users } = this.#security;
    const isKey = same(digest, sha512(salt, hostname, this.#nonce, sharedKey));
    if (!isKey) return denied('shared_key mismatch');
    if (users.length > 0) {
      const known = users.find(({ name }) => name === user.toString());
      // The same work for an unknown user.
      const isUser = same(password, sha512(this.#auth, user, known?.password ?? ''));
      if (known === undefined || !isUser) return denied('username/password mismatch');
    }
    const pong = Buffer.concat([
      encodeArrayHead(5),
      encodeText('PONG'),
      encodeBoolean(true),
      encodeText(''),
      encodeText(this.#name),
      encodeText(sha512(salt, this.#name, this.#nonce, sharedKey)),
    ]);
    return { admitted: true, pong };
  }
}

function denied(reason: string): Verdict {
  const texts = [reason, '', ''].map(encodeText);
  return {
    admitted: false,
    pong: Buffer.concat([encodeArrayHead(5), encodeText('PONG'), encodeBoolean(false), ...texts]),
  };
}

function sha512(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

function same(given: Buffer, wanted: string): boolean {
  const bytes = Buffer.from(wanted);
  return given.length === bytes.length && timingSafeEqual(given, bytes);
}

type Parts = readonly [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer];

/** The six strings of a PING, their bytes as they came: Fluent Bit's salt is no text. Null where it is something else. */
function partsOf(buf: Buffer, at: number, end: number): Parts | null {
  const head = new Head();
  const walk = new Walk();
  if (!head.read(buf, at, end) || head.kind !== 'array' || head.length !== 6) return null;
  const parts: Buffer[] = [];
  for (let from = head.body; parts.length < 6;) {
    walk.begin(from);
    const stop = walk.end(buf, end, end);
    const part = stop < 0 ? null : bytesAt(buf, from, stop);
    if (part === null) return null;
    parts.push(part);
    from = stop;
  }
  return parts as unknown as Parts; // six
}
