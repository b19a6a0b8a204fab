// When temporary files are swept: by the NameNode's clock, which a real one does not let us turn.
import { expect, it } from 'vitest';
import { openHdfsStore } from '../../../consumers/hdfs/index.ts';
import { until } from '../../containers.ts';
import { hdfsSink } from './hdfs-sink.ts';
import { remoteException, startStubNameNode, statusOf, type Asked, type Reply } from './stub-namenode.ts';

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;
const START = 1_795_000_000_000;

it('is at the first create and then once a day, whatever this machine says of the time', async () => {
  let now = START;
  const left = new Map([['old', START - 25 * HOUR_MS]]);
  let listed = 0;
  const answer = ({ op, path }: Asked): Reply => {
    const name = path.split('/').at(-1) ?? '';
    if (path === '/data-node') return { status: 201, body: '' };
    if (op === 'CREATE') return { status: 200, body: { Location: `${node.endpoint}/data-node?op=CREATE` } };
    if (op === 'LISTSTATUS_BATCH') {
      listed++;
      const found = [...left].map(([pathSuffix, modificationTime]) => ({
        pathSuffix,
        modificationTime,
        type: 'FILE',
        length: 0,
        fileId: 7,
      }));
      const partialListing = { FileStatuses: { FileStatus: found } };
      return { status: 200, body: { DirectoryListing: { partialListing, remainingEntries: 0 } } };
    }
    if (op === 'DELETE') return { status: 200, body: { boolean: left.delete(name) } };
    if (/old|young/.test(name)) return remoteException('FileNotFoundException', 404);
    return op === 'GETFILESTATUS' ? statusOf({ length: 1, modificationTime: now }) : { status: 200, body: '' };
  };
  await using node = await startStubNameNode(answer);
  const store = openHdfsStore(hdfsSink({ nameNodes: [node.endpoint] }));
  const create = (): Promise<unknown> => store.createIfAbsent('a', Buffer.from('x'), signal);

  expect(await create()).toEqual({ kind: 'created' });
  await until('the old one is gone', () => Promise.resolve(left.size === 0));
  left.set('young', START);
  now += 23 * HOUR_MS;
  await create();
  expect(listed).toBe(1);
  now += 2 * HOUR_MS;
  await create();
  await until('the young one grew old and is gone', () => Promise.resolve(left.size === 0));
  expect(listed).toBe(2);
  await store.close();
});
