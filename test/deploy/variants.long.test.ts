// The variants of the composition as they are started: an event goes from an agent to S3, over clusters of three nodes, and over TLS alone.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { until } from '../containers.ts';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const brokers = {
  ha: ['chicago-1', 'chicago-2', 'chicago-3', 'us-east-1', 'us-east-2', 'us-east-3'],
  tls: ['chicago-1', 'us-east-1'],
};

test.each(['tls', 'ha'] as const)('%s: declared, verified, and an event comes through to S3', async (variant) => {
  const folder = mkdtempSync(join(tmpdir(), 'waggle-variant-'));
  const certificates = join(root, 'deploy/tls');
  const makes = variant === 'tls' && !existsSync(certificates);
  if (variant === 'tls')
    execFileSync(join(root, 'deploy/make-certificates.sh'), [certificates, ...brokers.tls, 'client']);
  // Beside whatever else runs here: no published ports, and a project of its own.
  const published = [...brokers[variant], 'agent-chicago', 'agent-us-east', 's3'];
  const quiet = join(folder, 'quiet.yaml');
  writeFileSync(quiet, `services:\n${published.map((name) => `  ${name}: { ports: !reset [] }\n`).join('')}`);
  const files = ['docker-compose.yml', `deploy/compose.${variant}.yaml`, quiet].flatMap((file) => ['-f', file]);
  const compose = async (...args: readonly string[]): Promise<string> =>
    (
      await run(
        'docker',
        ['compose', '-p', `waggle-test-${process.pid}`, '--project-directory', root, ...files, ...args],
        { cwd: root },
      )
    ).stdout;
  try {
    await compose('up', '--detach', '--wait', ...brokers[variant]);
    await compose('up', '--detach', '--wait', 'agent-chicago', 'consumer-s3');
    await compose('exec', '-T', 'agent-chicago', 'node', 'waggle.ts', 'send', '--type', 'checkin.visit', '{"user":42}');
    await until('it is in S3', async () => {
      const listed = await compose(
        'exec',
        '-T',
        'consumer-s3',
        'node',
        'waggle.ts',
        'consumer',
        's3',
        '--list',
        '--type',
        'checkin.*',
      );
      return /^type=checkin\.visit\/.*\t1$/m.test(listed);
    });
    await until('verified', async () =>
      /nothing differs/.test(await compose('run', '--rm', '-T', 'topology', 'node', 'waggle.ts', 'topology', 'verify')),
    );
    const members = await compose('exec', '-T', 'chicago-1', 'rabbitmqctl', '-q', 'list_queues', 'name', 'members');
    expect(members.match(/events\.log-0\t.*/)?.[0].match(/rabbit@/g)).toHaveLength(brokers[variant].length / 2);
  } finally {
    await compose('down', '--volumes', '--timeout', '5').catch(() => {});
    rmSync(folder, { recursive: true });
    if (makes) rmSync(certificates, { recursive: true });
  }
});
