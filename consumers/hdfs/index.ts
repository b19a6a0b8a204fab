// The HDFS sink's wiring: from its configuration to its store.
import { randomBytes } from 'node:crypto';
import type { HdfsSinkConfig } from '#core/config/sink-config.ts';
import type { ObjectStore } from '../chain/store.ts';
import { callerOf } from './encode.ts';
import { HdfsFiles } from './files.ts';
import { connections } from './http.ts';
import { NameNodes } from './namenodes.ts';
import { HdfsStore } from './send.ts';

/** Opens nothing yet. The NameNodes of a pair all have TLS, or none. */
export function openHdfsStore(sink: HdfsSinkConfig): ObjectStore {
  const { nameNodes: addresses, user, delegationToken, tls, timeout, path } = sink;
  const secure = addresses.some((address) => address.startsWith('https:'));
  const connected = connections(secure, tls);
  const nameNodes = new NameNodes(addresses, callerOf(user, delegationToken), connected, timeout);
  return new HdfsStore(new HdfsFiles(nameNodes, connected, timeout), {
    root: path,
    name: () => randomBytes(12).toString('hex'),
    disconnect: () => connected.close(),
  });
}
