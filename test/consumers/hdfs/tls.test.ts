// A NameNode with TLS, by the package and beside it.
import { describe, expect, it } from 'vitest';
import { StoreRefused, type ObjectStore } from '../../../consumers/chain/store.ts';
import { openHdfsStore } from '../../../consumers/hdfs/index.ts';
import { makeCertificate } from '../../targets/certificates.ts';
import { hdfsSink } from './hdfs-sink.ts';
import { remoteException, startStubNameNode } from './stub-namenode.ts';

const { signal } = new AbortController();
const authority = makeCertificate({ subject: 'authority', authority: true });
const server = makeCertificate({ subject: 'nn', names: 'IP:127.0.0.1', issuer: authority });
const nameless = makeCertificate({ subject: 'nn' });
const calls = [
  ['head', (store: ObjectStore) => store.head('a', signal)],
  ['list', (store: ObjectStore) => store.list('', '', 10, signal)],
] as const;

describe.each(calls)('%s with TLS', (_name, call) => {
  it.each([
    ['its authority', server, { ca: authority.cert, fingerprint: null }],
    ['its fingerprint', server, { ca: null, fingerprint: server.fingerprint }],
    ['the fingerprint of a certificate without names', nameless, { ca: null, fingerprint: nameless.fingerprint }],
    ['both', server, { ca: authority.cert, fingerprint: server.fingerprint }],
  ])('trusts by %s', async (_by, certificate, tls) => {
    await using node = await startStubNameNode(() => remoteException('FileNotFoundException', 404), certificate);
    const store = openHdfsStore(hdfsSink({ nameNodes: [node.endpoint], tls }));
    for (let i = 0; i < 3; i++) await call(store);
    expect(node.asked).toHaveLength(3);
    expect(node.connections).toBe(1);
    await store.close();
  });

  it.each([
    ['nobody vouches', server, { ca: null, fingerprint: null }],
    ['another authority vouches', server, { ca: nameless.cert, fingerprint: null }],
    ['the fingerprint is another', server, { ca: null, fingerprint: nameless.fingerprint }],
    ['the fingerprint is another, of a trusted one', server, { ca: authority.cert, fingerprint: nameless.fingerprint }],
    ['the name is another', nameless, { ca: nameless.cert, fingerprint: null }],
  ])('sends nothing where %s', async (_why, certificate, tls) => {
    await using node = await startStubNameNode(() => remoteException('FileNotFoundException', 404), certificate);
    const store = openHdfsStore(hdfsSink({ nameNodes: [node.endpoint], tls, delegationToken: 'secret' }));
    const error: unknown = await call(store).then(String, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreRefused);
    expect(String(error)).toMatch(/tls/);
    expect(node.asked).toEqual([]);
    await store.close();
  });

  it('says so where the server has none', async () => {
    await using node = await startStubNameNode(() => remoteException('FileNotFoundException', 404));
    const store = openHdfsStore(hdfsSink({ nameNodes: [node.endpoint.replace('http:', 'https:')] }));
    await expect(call(store)).rejects.toThrow(StoreRefused);
    await store.close();
  });
});
