// The schema for editors: as written out, and right about the configuration of this repository.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { editorSchema } from '#core/config/editor-schema.ts';
import { configSchema } from '#core/config/schema.ts';
import { needsNothing } from '#core/config/needs.ts';
import { checkConfigFile } from '#core/io/config-file.ts';

const root = join(import.meta.dirname, '../../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const validate = new Ajv({ allErrors: true, strictTypes: false }).compile(editorSchema);

test('waggle.schema.json is the schema (npm run schema writes it)', () => {
  expect(JSON.parse(read('waggle.schema.json'))).toEqual(editorSchema);
});

test('the schema of the check is draft-07 too', () => {
  expect(new Ajv().validateSchema(configSchema)).toBe(true);
});

test('waggle.yaml is valid, and names the schema for editors', () => {
  expect(read('waggle.yaml')).toMatch(/^# yaml-language-server: \$schema=\.\/waggle\.schema\.json\n/);
  expect(checkConfigFile(join(root, 'waggle.yaml'), needsNothing)).toMatchObject({ kind: 'ok' });
});

describe('editors see references as written', () => {
  const written = load(read('waggle.yaml')) as { log: object; agent: object };

  test('the references of waggle.yaml are no errors', () => {
    validate(written);
    expect(validate.errors).toBeNull();
  });

  test('a reference may stand for a number and for a word out of a few', () => {
    const route = { mode: '${MODE:-balance}', window: '${WINDOW}' };
    validate({ ...written, log: { partitions: '${PARTITIONS}' }, agent: { ...written.agent, route } });
    expect(validate.errors).toBeNull();
  });

  test('what is wrong is still an error', () => {
    const wrong = {
      ...written,
      log: { partitions: 'many' },
      agent: { ...written.agent, route: { mode: 'balanse', window: '8' } },
    };
    expect(validate(wrong)).toBe(false);
    expect(new Set(validate.errors?.map(({ instancePath }) => instancePath))).toEqual(
      new Set(['/log/partitions', '/agent/route/mode', '/agent/route/window']),
    );
  });
});

test('every key has a description', () => {
  const missing: string[] = [];
  const walk = (schema: unknown, path: string): void => {
    if (typeof schema !== 'object' || schema === null) return;
    for (const [key, value] of Object.entries(schema)) {
      if (key === 'properties' && !path.endsWith('.if')) {
        for (const [name, field] of Object.entries(value as Record<string, object>))
          if (!('description' in field)) missing.push(`${path}.${name}`);
      }
      walk(value, `${path}.${key}`);
    }
  };
  walk(editorSchema, '');
  expect(missing).toEqual([]);
});
