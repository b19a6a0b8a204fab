// A broker that neither answers nor closes: the stream client itself would wait for ever.
import { expect, test } from 'vitest';
import { StreamConnection } from '../../../consumers/source/stream-client.ts';
import { ADMIN_PASSWORD, startSite, until } from '../../containers.ts';

test('a connection without heartbeats ends within 40 s', async () => {
  await using site = await startSite('chicago');
  const [endpoint = { host: '', port: 0 }] = site.config.stream;
  const why: string[] = [];
  await using _connection = await StreamConnection.connect(
    { ...endpoint, username: 'topology', password: ADMIN_PASSWORD, vhost: '/' },
    10_000,
    (reason) => why.push(reason),
  );
  await site.pause();
  await until('the connection ends', () => why.length > 0, 45_000);
  await site.unpause();
  expect(why[0]).toContain('no heartbeat');
});
