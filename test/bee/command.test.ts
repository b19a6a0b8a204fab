import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { beeCommand } from '../../bee/command.ts';
import { ruleText } from './rule-files.ts';

const own = join(import.meta.dirname, '../../bee/rules');
let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'waggle-bee-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(what: string, names: readonly string[] = [], where = own, json = false) {
  let out = '';
  let err = '';
  const output = { print: (text: string) => void (out += text), tell: (text: string) => void (err += text) };
  const options = { rules: where, json };
  return { code: await beeCommand({ what, names, options, file: 'waggle.yaml' }, output), out, err };
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

  test.each([
    ['string', 'is no field type; here it is text'],
    ['uuid', 'here it is id with form: uuid'],
    ['Object', 'here it is nested, or map where'],
    ['txet', 'did you mean "text"?'],
    ['constructor', 'is no field type; there are text, id'],
  ])('a type of other systems is told by its name here: %s', async (type, hint) => {
    write(ruleText(`a: ${type}`));
    expect((await run('test', [], folder)).err).toContain(hint);
  });

  test('an example that does not hold is no reason not to explain why', async () => {
    write(ruleText('a: integer!'));
    const tried = await run('try', ['{"type":"thing.happened","data":{}}'], folder);
    expect(tried).toMatchObject({ code: 1, out: expect.stringContaining('field-missing at /data/a') });
    expect(tried.err).toContain('1 example does not hold; this set would not be activated');
    expect((await run('compile', ['thing.happened'], folder)).code).toBe(0);
  });

  test('rule files that are wrong are told by every command', async () => {
    write(ruleText('a: txet'));
    for (const what of ['test', 'try', 'compile', 'diff'])
      expect(await run(what, what === 'test' ? [] : ['{}'], folder)).toMatchObject({
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

  test('try: what is hidden is told after the validation, which came before it', async () => {
    write(ruleText('a: { type: text, sanitize: [mask] }'));
    const { out } = await run('try', ['{"type":"thing.happened","data":{"a":" x  "}}'], folder);
    const order = ['/data/a: trim', 'The schema', '/data/a: mask: masked', 'What goes on: {"a":"*"}'];
    expect(order.map((part) => out.indexOf(part))).toEqual(
      order.map((part) => out.indexOf(part)).toSorted((x, y) => x - y),
    );
    expect(out).toContain(order[3]);
  });

  test('compile: of a field that is dropped nothing else is done', async () => {
    const { out } = await run('compile', ['reward.redeemed']);
    expect(out.match(/data\/staff_pin: \w+/g)).toEqual(['data/staff_pin: drop']);
  });

  test('compile: card numbers are masked where the plan says so', async () => {
    write(ruleText('a: { type: text, sanitize: [truncate] }'));
    const { out } = await run('compile', ['thing.happened'], folder);
    const order = ['a: nfc', 'a: strip', 'a: trim', 'a: card numbers', 'a: truncate'].map((part) => out.indexOf(part));
    expect(order).toEqual(order.toSorted((x, y) => x - y));
    expect(order).not.toContain(-1);
  });

  test('wrong use is said, not thrown', async () => {
    expect((await run('test', ['purchase'])).code).toMatch(/takes no name: what is "purchase"/);
    expect((await run('compile', ['purchase', 'b'])).code).toMatch(/takes 1 at most: what is "b"/);
    expect((await run('compile')).code).toMatch(/needs the name of a rule/);
    expect((await run('compile', ['nothing'])).code).toMatch(/there is no rule "nothing"; there are app.opened/);
    expect((await run('diff', ['purchase'])).code).toMatch(/needs two rules/);
    expect((await run('try', ['/nowhere/at/all'])).code).toMatch(/cannot be read/);
  });
});

const root = join(import.meta.dirname, '../..');
interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
/** `waggle bee ARGS` with no variable of ours in its environment. */
const waggle = (args: readonly string[], input = '', cwd = folder): Promise<Ended> =>
  new Promise((done) => {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WAGGLE_')));
    const child = execFile(
      process.execPath,
      [join(root, 'waggle.ts'), 'bee', ...args],
      { cwd, env },
      (error, out, err) => done({ code: error === null ? 0 : Number(error.code), out, err }),
    );
    child.stdin?.end(input);
  });

const counted = async (args: readonly string[], cwd = folder): Promise<string> => {
  const { out, err } = await waggle(['test', ...args], '', cwd);
  return out === '' ? err : out.slice(0, out.indexOf(':'));
};
const rulesAt = (at: string, type: string): void => {
  mkdirSync(join(folder, at), { recursive: true });
  writeFileSync(join(folder, at, `${type}.yaml`), ruleText('a: text', '', type));
};
/** A whole configuration with this in its section `bee`. */
const configured = (bee: string): void => {
  const config = readFileSync(join(root, 'waggle.yaml'), 'utf8').replace(/^bee:\n(?: .*\n|\n)*/m, '');
  writeFileSync(join(folder, 'waggle.yaml'), `${config}\n${bee}`);
};
const section = (rules: string): string =>
  `bee: { token: "\${NOT_SET_HERE}", keys: { app: { hashes: ["sha256:${'0'.repeat(64)}"] } }${rules} }\n`;

describe('as a process', () => {
  test('test, try, compile, diff: exit codes, and JSON where it is asked for', async () => {
    write(ruleText('a: integer'));
    write(
      ruleText('a: integer!', '', 'thing.happened@2').replaceAll('data: {}, result: {}', 'data: { a: 1 }'),
      'thing.happened@2',
    );
    const rules = ['--rules', folder];
    const tested = await waggle(['test', '--json', ...rules]);
    expect(tested).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(tested.out)).toMatchObject({
      rules: [
        { rule: 'thing.happened', examples: 2 },
        { rule: 'thing.happened@2', examples: 2 },
      ],
    });
    const event = '{"type":"thing.happened@2","data":{"a":1}}';
    expect(await waggle(['try', ...rules], event)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/accepted\n$/),
    });
    writeFileSync(join(folder, 'event.json'), event);
    const tried = await waggle(['try', 'event.json', '--json', ...rules]);
    expect(JSON.parse(tried.out)).toMatchObject({ kind: 'accepted', rule: 'thing.happened@2', version: 2 });
    const refused = await waggle(['try', '{"type":"thing.happened","data":{"a":"1"}}', '--json', ...rules]);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.out)).toMatchObject({ kind: 'rejected', code: 'kind-wrong', pointer: '/data/a' });
    const compiled = await waggle(['compile', 'thing.happened@2', '--json', ...rules]);
    expect(JSON.parse(compiled.out)).toMatchObject({ schema: { required: ['a'] }, plan: expect.any(Array) });
    const differs = await waggle(['diff', 'thing.happened', 'thing.happened@2', '--json', ...rules]);
    expect(differs.code).toBe(1);
    expect(JSON.parse(differs.out)).toContainEqual({ breaks: 'senders', path: '/data/a', text: 'is required now' });
    expect((await waggle(['diff', 'thing.happened@2', 'thing.happened', ...rules])).code).toBe(1); // readers miss it
  });

  test('examples that do not hold: exit code 1, told with file and line, as JSON too', async () => {
    const at = join(folder, 'thing.happened.yaml');
    write(ruleText('a: integer!'));
    const failing = await waggle(['test', '--json', '--rules', folder]);
    expect(failing).toMatchObject({ code: 1, err: expect.stringContaining(`${at}:7: example "nothing" is rejected`) });
    expect(JSON.parse(failing.out)).toMatchObject({ problems: [expect.stringContaining('field-missing at /data/a')] });
  });

  describe('which rules', () => {
    test('--rules wins over bee.rules, which wins over bee/rules', async () => {
      rulesAt('bee/rules', 'default');
      rulesAt('elsewhere/rules', 'configured');
      rulesAt('given', 'given');
      expect(await counted([])).toBe('default'); // no configuration here
      configured('');
      expect(await counted([])).toBe('default'); // none that says
      configured(section(''));
      expect(await counted([])).toBe('default');
      configured(section(', rules: elsewhere/rules'));
      expect(await counted([])).toBe('configured'); // though its secrets are not here
      expect(await counted(['--rules', 'given'])).toBe('given');
      rulesAt('other/bee/rules', 'other');
      expect(await counted(['--config', '../waggle.yaml'], join(folder, 'other'))).toBe('configured'); // beside the file
    });

    test('a configuration that is wrong, or named and not there, is told', async () => {
      rulesAt('bee/rules', 'default');
      expect(await counted(['--config', 'nowhere.yaml'])).toMatch(/^nowhere.yaml:1:1: there is no such file/);
      configured(section(', rules: [a]'));
      expect(await counted([])).toMatch(/^waggle\.yaml:\d+:\d+: bee\.rules: /);
    });
  });
});
