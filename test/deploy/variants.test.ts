// The variants of the composition: three nodes a site, and TLS alone. Their configuration is waggle.yaml's but for the sites.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load, YAML11_SCHEMA } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '#core/config/check.ts';
import { needsEverything } from '#core/config/needs.ts';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const parsed = (file: string): Record<string, unknown> =>
  load(read(file).replaceAll(' !override', ''), { schema: YAML11_SCHEMA }) as Record<string, unknown>;

interface Service {
  readonly command?: readonly string[];
  readonly environment?: object;
}
const services = (file: string) => parsed(file)['services'] as Record<string, Service>;

/** Of the environment, what must have a form of its own. */
const special: Readonly<Record<string, string>> = {
  WAGGLE_SITE: 'chicago',
  WAGGLE_BEE_DEMO_HASH: `sha256:${'0'.repeat(64)}`,
};

describe.each(['ha', 'tls'])('%s', (variant) => {
  test('its configuration is that of waggle.yaml, sites apart', () => {
    const { sites: _, ...own } = parsed(`deploy/waggle.${variant}.yaml`);
    const { sites: __, ...usual } = parsed('waggle.yaml');
    expect(own).toEqual(usual);
  });

  test('and valid', () => {
    const text = read(`deploy/waggle.${variant}.yaml`);
    const env = Object.fromEntries(
      [...text.matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => [name, special[name] ?? 'a-secret-of-some-length']),
    );
    const file = `deploy/waggle.${variant}.yaml`;
    const checked = checkConfig(text, { file, host: 'here', env, readFile: () => 'pem' }, needsEverything);
    expect(checked.kind === 'invalid' ? checked.problems : []).toEqual([]);
  });

  test('everything of ours that runs gets it', () => {
    const ours = Object.entries(services('docker-compose.yml')).filter(
      ([, { command }]) => command?.[1] === 'waggle.ts',
    );
    expect(ours.length).toBeGreaterThan(8);
    const changed = services(`deploy/compose.${variant}.yaml`);
    for (const [name] of ours)
      expect(changed[name]?.environment, name).toEqual({ WAGGLE_CONFIG: `deploy/waggle.${variant}.yaml` });
  });
});
