// Against real TLS servers with certificates of their own, through the connections that sinks use.
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Client } from 'undici';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isCertificateError } from '../../../core/io/tls.ts';
import { connectOnce, NeverSent } from '../../../core/io/undici-tls.ts';
import { makeCertificate, type Certificate } from '../../targets/certificates.ts';

const LOCAL = 'DNS:localhost,IP:127.0.0.1';
let authority: Certificate;
/** Not the authority of anything here, though it bears the same name. */
let impostor: Certificate;
let signed: Certificate;
let lone: Certificate;
let forged: Certificate;
let named: Certificate;
let expired: Certificate;
let servers: Server[] = [];
let asked = 0;

beforeAll(() => {
  authority = makeCertificate({ subject: 'Authority', authority: true });
  impostor = makeCertificate({ subject: 'Authority', authority: true });
  signed = makeCertificate({ subject: 'localhost', names: LOCAL, issuer: authority });
  lone = makeCertificate({ subject: 'any.example' });
  forged = makeCertificate({ subject: 'localhost', names: LOCAL, issuer: impostor });
  named = makeCertificate({ subject: 'other.example', names: 'DNS:other.example', issuer: authority });
  expired = makeCertificate({ subject: 'localhost', names: LOCAL, issuer: authority, days: 0 });
});
afterEach(() => {
  for (const server of servers) server.close().closeAllConnections();
  servers = [];
  asked = 0;
});

async function serve(leaf: Certificate, ...chain: Certificate[]): Promise<string> {
  const cert = [leaf, ...chain].map((each) => each.cert).join('');
  const server = createServer({ key: leaf.key, cert }, (_, answer) => {
    asked++;
    answer.end('hello');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`; // listens on TCP
}

async function ask(endpoint: string, ca: string | null, fingerprint: string | null, times = 1): Promise<string> {
  const client = new Client(endpoint, { connect: connectOnce({ ca, fingerprint }, 5000), pipelining: 1 });
  try {
    let said = '';
    for (let i = 0; i < times; i++)
      said = await (await client.request({ path: '/', method: 'POST', body: 'secret' })).body.text();
    return said;
  } finally {
    await client.destroy();
  }
}

const refused = async (endpoint: string, ca: string | null, fingerprint: string | null): Promise<string> => {
  const error: unknown = await ask(endpoint, ca, fingerprint).then(
    () => new Error('trusted'),
    (fault: unknown) => fault,
  );
  expect(isCertificateError(error), String(error)).toBe(true);
  expect(asked).toBe(0);
  return String(error);
};
const coded = (code: string): Error => Object.assign(new Error(code), { code });

describe('a server is trusted', () => {
  test('by an authority of one’s own', async () => {
    expect(await ask(await serve(signed), authority.cert, null)).toBe('hello');
  });
  test('by its own certificate as authority, where that bears its name', async () => {
    const own = makeCertificate({ subject: 'localhost', names: LOCAL });
    expect(await ask(await serve(own), own.cert, null)).toBe('hello');
  });
  test('by the fingerprint of its own certificate, whatever name it bears and whoever signed it', async () => {
    expect(await ask(await serve(lone), null, lone.fingerprint)).toBe('hello');
    expect(await ask(await serve(forged), null, forged.fingerprint.replaceAll(':', '').toLowerCase())).toBe('hello');
  });
  test('by the fingerprint of an authority in its chain', async () => {
    expect(await ask(await serve(signed, authority), null, authority.fingerprint)).toBe('hello');
  });
  test('by both together', async () => {
    expect(await ask(await serve(signed), authority.cert, signed.fingerprint)).toBe('hello');
    expect(await ask(await serve(signed), authority.cert, authority.fingerprint)).toBe('hello');
  });
});

describe('a server is refused before anything is sent', () => {
  test('that nobody known has signed', async () => {
    expect(await refused(await serve(signed), null, null)).toContain('unable to verify');
    expect(await refused(await serve(lone), null, null)).toContain('self-signed');
  });
  test('whose fingerprint is another, and the message tells which it is', async () => {
    expect(await refused(await serve(lone), null, signed.fingerprint)).toContain(lone.fingerprint);
    expect(await refused(await serve(signed), authority.cert, lone.fingerprint)).toContain(signed.fingerprint);
  });
  test('that shows the right authority behind a certificate which that has not signed', async () => {
    expect(await refused(await serve(forged, authority), null, authority.fingerprint)).toMatch(
      /not signed|nothing in its chain/,
    );
    expect(await refused(await serve(lone, authority), null, authority.fingerprint)).toContain('nothing in its chain');
  });
  test('that the right authority has signed for another name', async () => {
    expect(await refused(await serve(named, authority), null, authority.fingerprint)).toContain('127.0.0.1');
    expect(await refused(await serve(named), authority.cert, null)).toContain('127.0.0.1');
  });
  test('whose certificate has run out, if it is not pinned itself', async () => {
    expect(await refused(await serve(expired, authority), null, authority.fingerprint)).toContain('is valid from');
    expect(await ask(await serve(expired), null, expired.fingerprint)).toBe('hello');
  });
});

test('a client connects once: a request that finds the connection closed was not sent', async () => {
  const endpoint = await serve(lone);
  expect(await ask(endpoint, null, lone.fingerprint, 3)).toBe('hello');
  const client = new Client(endpoint, { connect: connectOnce({ ca: null, fingerprint: lone.fingerprint }, 5000) });
  await (await client.request({ path: '/', method: 'GET' })).body.text();
  const closed = new Promise((resolve) => client.once('disconnect', resolve));
  servers.at(-1)?.closeAllConnections();
  await closed;
  await expect(client.request({ path: '/', method: 'GET' })).rejects.toThrow(NeverSent);
  expect(asked).toBe(4);
  await client.destroy();
});

test('errors that are none of the certificate', () => {
  expect(
    ['ECONNREFUSED', 'ERR_SSL_WRONG_VERSION_NUMBER', 'UND_ERR_SOCKET'].filter((code) =>
      isCertificateError(coded(code)),
    ),
  ).toEqual([]);
  expect(isCertificateError('DEPTH_ZERO_SELF_SIGNED_CERT')).toBe(false);
});
