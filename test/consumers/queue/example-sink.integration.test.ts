// The example of docs/writing-a-sink.md, as it stands there, loaded as a module and run through the suite.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { ModuleSinkConfig } from '#core/config/sink-config.ts';
import { SinkConfigInvalid } from '../../../consumers/queue/contract.ts';
import { openSink } from '../../../docs/examples/ndjson-sink.ts';
import { queueSinkConformance, type TargetTrouble, type TargetUnderTest } from './conformance.ts';

const root = join(import.meta.dirname, '../../..');
const example = join(root, 'docs/examples/ndjson-sink.ts');

test('the page shows the whole file', () => {
  const page = readFileSync(join(root, 'docs/writing-a-sink.md'), 'utf8');
  expect(page).toContain(`\`\`\`ts\n${readFileSync(example, 'utf8')}\`\`\`\n`);
});

test('options that cannot work are told', () => {
  expect(() => openSink({ url: 'ftp://x' }, { name: 'mine', timeout: 1 })).toThrow(SinkConfigInvalid);
});

/** An endpoint that keeps what it is sent, and refuses requests that hold an event with `poison` in its data. */
async function startEndpoint(): Promise<TargetUnderTest> {
  const stored = new Map<string, number>();
  let trouble: TargetTrouble = null;
  const answer = async (incoming: IncomingMessage): Promise<number> => {
    const lines = (await text(incoming)).trimEnd().split('\n');
    if (trouble === 'slow') await delay(300);
    if (trouble === 'busy') return 503;
    if (trouble === 'forbidden') return 401;
    const events = lines.map((line) => JSON.parse(line) as { id: string; data: { poison?: boolean } });
    if (events.some(({ data }) => data.poison)) return 400;
    for (const { id } of events) stored.set(id, (stored.get(id) ?? 0) + 1);
    return 204;
  };
  const listener = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    answer(incoming).then(
      (status) => outgoing.writeHead(status, status === 503 ? { 'retry-after': '1' } : {}).end(),
      () => outgoing.destroy(),
    );
  };
  let server = createServer(listener);
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await listen(0);
  const { port } = server.address() as AddressInfo; // listens on TCP
  const config: ModuleSinkConfig = {
    kind: 'module',
    module: example,
    options: { url: `http://127.0.0.1:${port}/events` },
    name: 'mine',
    home: 'chicago',
    match: ['**'],
    mapping: null,
    admin: '127.0.0.1:0',
    memory: 1,
    connections: 1,
    batch: { size: 1, count: 1, age: 1 },
    timeout: 1,
  };
  return {
    config,
    stored: () => Promise.resolve(stored),
    poison: () => ({ poison: true }),
    async trouble(kind) {
      trouble = kind;
      if (kind === 'down') await close();
      else if (!server.listening) {
        server = createServer(listener);
        await listen(port);
      }
      return true;
    },
    [Symbol.asyncDispose]: close,
  };
}

queueSinkConformance('The example', { exactlyOnceById: false, open: startEndpoint });
