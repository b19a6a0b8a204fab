// Who may send: shared key, users, TLS.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../../../targets/certificates.ts';
import { Client, connect, pack, packed, serveForward } from './forward-client.ts';

const sha512 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

interface Credentials {
  readonly key: string;
  readonly user?: string;
  readonly password?: string;
  /** As raw bytes in a str, which Fluent Bit sends. */
  readonly rawSalt?: boolean;
}

/** What a client does; answers the PONG. */
async function login(
  client: Client,
  { key, user = '', password = '', rawSalt = false }: Credentials,
): Promise<unknown> {
  const [hello] = (await client.answered(1)) as [[string, { nonce: Buffer; auth: Buffer; keepalive: boolean }]];
  const [word, { nonce, auth, keepalive }] = hello;
  expect([word, keepalive]).toEqual(['HELO', true]);
  const salt = rawSalt ? Buffer.from('ff00fe0102030405060708090a0b0c0d', 'hex') : Buffer.from('salt');
  const saltValue = Buffer.concat([Buffer.of(0xa0 | salt.length), salt]);
  client.send(
    packed(
      pack('PING'),
      pack('client-1'),
      saltValue,
      pack(sha512(salt, 'client-1', nonce, key)),
      pack(user),
      pack(user === '' ? '' : sha512(auth, user, password)),
    ),
  );
  const pong = (await client.answered(2))[1] as readonly unknown[];
  if (pong[1] === true) expect(pong[4]).toBe(sha512(salt, String(pong[3]), nonce, key));
  return pong;
}

const good = pack(['a', 1_700_000_000, {}, { chunk: 'c' }]);
const users = [{ name: 'ada', password: 'lovelace' }];

describe('the handshake', () => {
  test.each([
    ['a shared key', { sharedKey: 'secret' }, { key: 'secret' }],
    ['a salt that is no text', { sharedKey: 'secret' }, { key: 'secret', rawSalt: true }],
    ['a user too', { sharedKey: 'secret', users }, { key: 'secret', user: 'ada', password: 'lovelace' }],
  ] as const)('%s', async (_, options, credentials) => {
    await using served = await serveForward(options);
    await using client = await connect(served.port);
    // A client refuses a server of its own name, and both are on one host.
    expect(await login(client, credentials)).toMatchObject(['PONG', true, '', 'waggle.web-1', expect.any(String)]);
    client.send(good);
    expect((await client.answered(3))[2]).toEqual({ ack: 'c' });
  });

  test.each([
    ['another key', { sharedKey: 'secret' }, { key: 'guess' }, 'shared_key mismatch'],
    [
      'another password',
      { sharedKey: 'secret', users },
      { key: 'secret', user: 'ada', password: 'x' },
      'username/password mismatch',
    ],
    [
      'an unknown user',
      { sharedKey: 'secret', users },
      { key: 'secret', user: 'eve', password: 'lovelace' },
      'username/password mismatch',
    ],
    ['no user', { sharedKey: 'secret', users }, { key: 'secret' }, 'username/password mismatch'],
  ] as const)('%s is refused, told why, and closed', async (_, options, credentials, reason) => {
    await using served = await serveForward(options);
    await using client = await connect(served.port);
    expect(await login(client, credentials)).toEqual(['PONG', false, reason, '', '']);
    client.send(good);
    await client.ended();
    expect(served.recorder).toMatchObject({ accepted: 0, closed: { 'not-admitted': 1 } });
  });

  test('events before it are refused; so is silence', async () => {
    await using served = await serveForward({ sharedKey: 'secret', limits: { patience: 60 } });
    await using early = await connect(served.port);
    early.send(good);
    await early.ended();
    await using silent = await connect(served.port);
    await silent.ended();
    expect(served.recorder).toMatchObject({ accepted: 0, closed: { 'not-admitted': 1, 'handshake-slow': 1 } });
  });

  test('each connection has a nonce of its own, so that no answer serves twice', async () => {
    await using served = await serveForward({ sharedKey: 'secret' });
    await using first = await connect(served.port);
    await using second = await connect(served.port);
    const [a, b] = await Promise.all([first.answered(1), second.answered(1)]);
    expect(a).not.toEqual(b);
  });
});

test('TLS, with clients that must show a certificate', async () => {
  const authority = makeCertificate({ subject: 'authority', authority: true });
  const { cert, key } = makeCertificate({
    subject: 'localhost',
    names: 'DNS:localhost,IP:127.0.0.1',
    issuer: authority,
  });
  const own = makeCertificate({ subject: 'client', issuer: authority });
  await using served = await serveForward({ tls: { cert, key, clientCa: authority.cert } });
  const socket = tls.connect({
    port: served.port,
    host: '127.0.0.1',
    ca: authority.cert,
    cert: own.cert,
    key: own.key,
  });
  await once(socket, 'secureConnect');
  await using client = new Client(socket);
  client.send(good);
  expect(await client.answered(1)).toEqual([{ ack: 'c' }]);
  const stranger = makeCertificate({ subject: 'stranger' });
  const refused = tls.connect({
    port: served.port,
    host: '127.0.0.1',
    ca: authority.cert,
    cert: stranger.cert,
    key: stranger.key,
  });
  refused.on('error', () => undefined);
  await once(refused, 'close');
  expect(served.recorder).toMatchObject({ accepted: 1, closed: { 'tls-failed': 1 } });
});
