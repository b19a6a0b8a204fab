import { request } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { until } from '../containers.ts';
import { startHdfs, type Hdfs } from './hdfs.ts';

let hdfs: Hdfs;

beforeAll(async () => {
  hdfs = await startHdfs({ dataNodes: 2 });
});

afterAll(async () => {
  await hdfs[Symbol.asyncDispose]();
});

test('a file is written and read through the redirect to a DataNode', async () => {
  expect(await write('first', 'hello')).toBe(201);
  expect(await read('first')).toBe('hello');
});

test('only its owner may write into the folder', async () => {
  const answer = await fetch(url('/other', 'MKDIRS'), { method: 'PUT' });
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('AccessControlException')]);
});

test('SafeMode refuses writes until it is left', async () => {
  await hdfs.enterSafeMode();
  const answer = await fetch(url('/events/in-safe-mode', 'MKDIRS'), { method: 'PUT' });
  expect([answer.status, await answer.text()]).toEqual([403, expect.stringContaining('SafeModeException')]);
  await hdfs.leaveSafeMode();
  expect(await write('after-safe-mode', 'x')).toBe(201);
});

test('files outlive SIGKILL of the NameNode and the DataNodes, at the same addresses', async () => {
  expect(await write('kept', 'still here')).toBe(201);
  await Promise.all([hdfs.nameNode.kill(), ...hdfs.dataNodes.map((node) => node.kill())]);
  await expect(read('kept')).rejects.toThrow('fetch failed');
  await Promise.all([hdfs.nameNode.start(), ...hdfs.dataNodes.map((node) => node.start())]);
  await until('the block is reported', async () => (await read('kept')) === 'still here');
  await until('SafeMode is left', async () => (await write('again', 'x')) === 201);
});

const url = (path: string, operation: string): string =>
  `${hdfs.endpoint}/webhdfs/v1${path}?op=${operation}&user.name=${hdfs.user}`;

async function read(name: string): Promise<string> {
  return (await fetch(url(`${hdfs.folder}/${name}`, 'OPEN'))).text();
}

/** The status of the second step: not by fetch, which fails on the DataNode's unasked `100 Continue`. */
async function write(name: string, content: string): Promise<number> {
  const first = await fetch(`${url(`${hdfs.folder}/${name}`, 'CREATE')}&noredirect=true`, { method: 'PUT' });
  const answer: unknown = await first.json();
  if (typeof answer !== 'object' || !answer || !('Location' in answer)) return first.status;
  const location = String(answer.Location);
  return new Promise((resolve, reject) => {
    const put = request(location, { method: 'PUT', headers: { 'Content-Type': 'application/octet-stream' } });
    put.once('error', reject);
    put.once('response', (response) => {
      resolve(response.statusCode ?? 0);
      response.resume();
    });
    put.end(content);
  });
}
