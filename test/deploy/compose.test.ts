// What `npm start` makes of the lines of `docker compose`, as versions 2.26 and Docker 20.10 and 28 write them.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { failedServices, progressOf, scales, takenPort } from '../../deploy/compose.ts';

const root = join(import.meta.dirname, '../..');

describe('progress', () => {
  test.each([
    [' Container waggle-agent-chicago-1  Healthy', 'agent-chicago is ready'],
    [' Container waggle-topology-1  Exited', 'topology is done'],
    [' Container waggle-us-east-1-1  Recreated', 'us-east-1: Recreated'],
    [' Container waggle-us-east-1-1  Waiting', null],
    [' Network waggle_default  Created', null],
    ['', null],
    [
      'service "topology" didn\'t complete successfully: exit 78',
      'service "topology" didn\'t complete successfully: exit 78',
    ],
  ])('%j', (line, said) => expect(progressOf(line)).toBe(said));
});

test.each([
  'Error response from daemon: driver failed programming external connectivity on endpoint waggle-s3-1 (76f9): Error starting userland proxy: listen tcp4 127.0.0.1:7070: bind: address already in use',
  'Error response from daemon: driver failed programming external connectivity on endpoint waggle-s3-1 (76f9): Bind for 127.0.0.1:7070 failed: port is already allocated',
  'Error response from daemon: failed to set up container networking: listen tcp4 127.0.0.1:7070: bind: address already in use',
])('a port that is taken is told: %s', (line) => {
  expect(takenPort([' Container waggle-s3-1  Starting', line])).toBe('7070');
});

test('a service that failed is told, and how', () => {
  const lines = [
    ' Container waggle-chicago-1-1  Healthy',
    'container waggle-consumer-s3-1 is unhealthy',
    'dependency failed to start: container waggle-chicago-1-1 exited (1)',
  ];
  expect([...failedServices(lines)]).toEqual([
    ['consumer-s3', 'is unhealthy'],
    ['chicago-1', 'exited (1)'],
  ]);
  expect(takenPort(lines)).toBeNull();
});

test('services that were scaled are told, whichever they are', () => {
  const all = [
    ['waggle-consumer-s3-1', 'consumer-s3', 'running'],
    ['waggle-consumer-search-2', 'consumer-search', 'running'],
    ['waggle-consumer-search-3', 'consumer-search', 'running'],
    ['waggle-consumer-search-1', 'consumer-search', 'exited'],
    ['waggle-topology-1', 'topology', 'running'],
    ['waggle-topology-run-0c5b2f7e8a31', 'topology', 'running'],
  ] as const;
  const found = scales(all.map(([Name, Service, State]) => ({ Name, Service, State })));
  expect([...found]).toEqual([['consumer-search', 2]]);
});

test.each([
  [['--volume'], 64, /unknown word: --volume/],
  [['--help'], 0, /Usage: npm stop/],
] as const)('npm stop -- %j', async (args, code, text) => {
  const ended = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(join(root, 'deploy/stop.sh'), args, (error, out, err) =>
      resolve({ code: error?.code ?? 0, output: out + err }),
    );
  });
  expect(ended).toEqual({ code, output: expect.stringMatching(text) as string });
});
