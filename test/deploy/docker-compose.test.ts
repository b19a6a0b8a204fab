// docker-compose.yml beside waggle.yaml: every sink has its consumer, and each container the secrets that its command needs, and no others.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '#core/config/check.ts';
import { needsOfAgent, needsOfBee, needsOfConsumer, needsOfTopology, type Needs } from '#core/config/needs.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly profiles?: readonly string[];
}

/** `${NAME:-default}` as Compose takes it where NAME is not set. */
const byDefault = (environment: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, text]) => [name, text.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1')]),
  );

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
// Merge keys (<<) are YAML 1.1's, which is what Compose reads.
const { services } = load(read('docker-compose.yml'), { schema: YAML11_SCHEMA }) as {
  services: Record<string, Service>;
};
const system = read('waggle.yaml');
const all = Object.entries(services);
const ours = all.flatMap(([name, { command = [], environment = {} }]) =>
  command[1] === 'waggle.ts' ? [{ name, command: command.slice(2), environment: byDefault(environment) }] : [],
);

function needsOf([what = '', sink = '']: readonly string[]): Needs {
  if (what === 'agent') return needsOfAgent;
  if (what === 'bee') return needsOfBee;
  return what === 'consumer' ? needsOfConsumer(sink) : needsOfTopology;
}

function starts(command: readonly string[], env: Readonly<Record<string, string>>): boolean {
  const surroundings = { env, readFile: () => null };
  return checkConfig(system, { file: 'waggle.yaml', host: 'here', ...surroundings }, needsOf(command)).kind === 'ok';
}

test('every sink of waggle.yaml has its consumer, and no other is there', () => {
  const { sinks } = load(system) as { sinks: object };
  const consumers = ours.filter(({ command }) => command[0] === 'consumer');
  expect(consumers.map(({ command }) => command[1])).toEqual(Object.keys(sinks));
});

describe('secrets', () => {
  test.each(ours)('$name has those that it needs, and no others', ({ command, environment }) => {
    expect(starts(command, environment)).toBe(true);
    const secrets = Object.keys(environment).filter((name) => /PASSWORD|KEY|TOKEN/.test(name));
    expect(secrets.length).toBeGreaterThan(0);
    for (const secret of secrets) {
      const { [secret]: _, ...others } = environment;
      expect(starts(command, others), `without ${secret}`).toBe(false);
    }
  });
});

test('ports are on the loopback alone, and each once', () => {
  const ports = all.flatMap(([, service]) => service.ports ?? []);
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  const published = ports.map((port) => `${port.split(':')[1]}${port.endsWith('/udp') ? '/udp' : ''}`);
  expect(new Set(published).size).toBe(published.length);
});

test('npm start gets an image for whatever it starts', () => {
  const started = new Set(all.flatMap(([, { image, profiles }]) => (profiles === undefined ? [image] : [])));
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } };
  const [setUp = ''] = scripts.start.split('&&');
  const recipes = setUp.split(' ').filter((word) => !/^(|deploy\/setup\.sh|deps|docker|compose)$/.test(word));
  const images = recipes.map((name) => /^# image: (.*)/.exec(read(`deploy/images/${name}/Dockerfile`))?.[1]);
  expect(new Set(images)).toEqual(started);
});
