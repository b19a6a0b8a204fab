// What answers at the agent's address and is none. Agents themselves are met in dead.integration.test.ts.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { agentDelivery } from '../../../consumers/dead/deliver.ts';
import type { Letter } from '../../../consumers/dead/letters.ts';
import { Pace } from '../../../consumers/replay/pace.ts';

test.each([
  [500, '{"errors":[]}'],
  [404, '{"data":null,"errors":[]}'],
  [200, '{"ok":true}'],
  [200, '<html>'],
])('%i with %s resolves no letter', async (status, body) => {
  const server = createServer((_, answer) => answer.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo; // listens on TCP
    await using delivery = agentDelivery(`127.0.0.1:${port}`, 1_000_000, new Pace(1_000));
    const parcel = { letter: {} as Letter, lines: [Buffer.from('{}')] };
    await expect(delivery.deliver([parcel])).rejects.toThrow('no agent of waggle');
  } finally {
    server.close();
  }
});
