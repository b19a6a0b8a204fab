import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { beeCommand } from '../../bee/command.ts';
import { ruleText } from './rule-files.ts';

const own = join(import.meta.dirname, '../../bee/rules');
let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'waggle-bee-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(what: string, args: readonly string[] = [], where = own, json = false) {
  let out = '';
  let err = '';
  const output = { print: (text: string) => void (out += text), tell: (text: string) => void (err += text) };
  return { code: await beeCommand(what, args, { rules: where, json }, output), out, err };
}
const write = (text: string, name = 'thing.happened'): void => writeFileSync(join(folder, `${name}.yaml`), text);

describe('waggle bee', () => {
  test('test: all examples hold', async () => {
    const { code, out } = await run('test');
    expect(code).toBe(0);
    expect(out).toContain('purchase: 3 examples hold');
    expect(out).toContain('8 rules');
  });

  test('test: an example that does not hold is named, with its place', async () => {
    write(ruleText('a: integer!'));
    const { code, err } = await run('test', [], folder);
    expect(code).toBe(1);
    expect(err).toMatch(/thing\.happened\.yaml:\d+: example "nothing" is rejected with field-missing at \/data\/a/);
  });

  test('rule files that are wrong are told by every command', async () => {
    write(ruleText('a: txet'));
    for (const what of ['test', 'try', 'compile', 'diff'])
      expect(await run(what, ['{}'], folder)).toMatchObject({
        code: 78,
        err: expect.stringContaining('thing.happened.yaml:5:6: fields.a:'),
      });
  });

  test('try: explains step by step what is changed, and what goes on', async () => {
    const event = {
      type: 'screen.viewed',
      data: { device_id: '0190A5C2-7D1E-7C3A-9F2B-3D5E8A1C4B6F', screen: 'a', viewed_ms: 1, x: 1 },
    };
    const { code, out } = await run('try', [JSON.stringify(event)]);
    expect(code).toBe(0);
    expect(out).toMatch(/^1\. The bytes are JSON/);
    expect(out).toContain('/data/device_id: lower: made small letters.');
    expect(out).toContain('/data/x: drop: the rule knows no such field.');
    expect(out.trimEnd()).toMatch(/accepted$/);
  });

  test.each([
    ['no JSON', '{"type":', 'json-malformed'],
    ['no rule', '{"type":"a.b","data":{}}', 'type-unknown at /type'],
    ['a rule that rejects', '{"type":"purchase","data":{}}', 'field-missing at /data/member_id'],
  ])('try: %s', async (_name, event, why) => {
    const { code, out } = await run('try', [event]);
    expect(code).toBe(1);
    expect(out).toContain(why);
    expect(out.trimEnd()).toMatch(/rejected$/);
  });

  test('compile: shows the plan in its order, and the schema', async () => {
    const { code, out } = await run('compile', ['checkin.created']);
    expect(code).toBe(0);
    expect(out.indexOf('/data/note: nfc')).toBeLessThan(out.indexOf('the schema is validated'));
    expect(out.indexOf('the schema is validated')).toBeLessThan(out.indexOf('/data/card_id: hash'));
    expect(out).toContain('"$schema": "https://json-schema.org/draft/2020-12/schema"');
  });

  test('diff: a field that is new and required, and a lower max, break senders; a new optional one breaks nobody', async () => {
    write(ruleText('a: integer\nb: text\nc: { type: enum, values: [x, y] }'));
    write(
      ruleText(
        'a: integer\nb: { type: text, max: 10 }\nc: { type: enum, values: [x, z] }\nd: text',
        '',
        'thing.happened@2',
      ),
      'thing.happened@2',
    );
    const { code, out } = await run('diff', ['thing.happened', 'thing.happened@2'], folder);
    expect(code).toBe(1);
    expect(out.split('\n')).toEqual([
      'breaks senders: /data/b: has a lower max',
      'breaks senders: /data/c: no longer takes y',
      'breaks readers: /data/c: may be z now',
      'compatible: /data/d: is new',
      'thing.happened@2 is not compatible with thing.happened',
      '',
    ]);
    expect((await run('diff', ['thing.happened', 'thing.happened@1'], folder)).code).toBe(0);
  });

  test('wrong use is said, not thrown', async () => {
    expect((await run('compile')).code).toMatch(/needs the name of a rule/);
    expect((await run('compile', ['nothing'])).code).toMatch(/there is no rule "nothing"; there are app.opened/);
    expect((await run('diff', ['purchase'])).code).toMatch(/needs two rules/);
    expect((await run('try', ['/nowhere/at/all'])).code).toMatch(/cannot be read/);
  });
});
