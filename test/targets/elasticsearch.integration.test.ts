import { afterAll, beforeAll, expect, test } from 'vitest';
import { startElasticsearch, type Elasticsearch } from './elasticsearch.ts';

let server: Elasticsearch;

beforeAll(async () => {
  server = await startElasticsearch({ password: 'test-elastic', settings: { 'cluster.name': 'waggle-test' } });
}, 150_000);
afterAll(() => server[Symbol.asyncDispose]());

test('it is the release that is asked for, with the settings given', async () => {
  expect(await server.call('GET', '/')).toMatchObject({
    status: 200,
    body: { cluster_name: 'waggle-test', version: { number: '9.5.3' } },
  });
});

test('it asks for the password', async () => {
  const response = await fetch(server.endpoint);
  expect(response.status).toBe(401);
  expect(await response.json()).toMatchObject({ error: { type: 'security_exception' } });
});

test('what it took is there after a kill', async () => {
  const bulk = '{"create":{"_index":"kept","_id":"1"}}\n{"n":1}\n{"create":{"_index":"kept","_id":"2"}}\n{"n":2}\n';
  expect(await server.call('POST', '/_bulk', bulk)).toMatchObject({ status: 200, body: { errors: false } });
  await server.kill();
  await expect(server.call('GET', '/')).rejects.toThrow('fetch failed');
  await server.start();
  await server.call('POST', '/kept/_refresh');
  expect(await server.call('GET', '/kept/_count')).toMatchObject({ status: 200, body: { count: 2 } });
});
