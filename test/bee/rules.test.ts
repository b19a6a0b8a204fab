import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openRules } from '../../bee/rules.ts';
import { type Reload, RulesInvalid } from '../../bee/verdict.ts';
import { HASH_KEY, judgeData, ruleText } from './rule-files.ts';

const own = join(import.meta.dirname, '../../bee/rules');
let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'waggle-rules-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (text: string, name = 'thing.happened'): void => writeFileSync(join(folder, `${name}.yaml`), text);

describe('the rules that come with Bee', () => {
  test('all their examples hold, and each fits on a screen', async () => {
    await using rules = await openRules({ folder: own, hashKey: HASH_KEY });
    expect(rules.current.rules.map(({ name }) => name)).toEqual([
      'app.opened',
      'beacon.batch',
      'card.tapped',
      'checkin.created',
      'error.reported',
      'purchase',
      'reward.redeemed',
      'screen.viewed',
    ]);
    for (const name of readdirSync(own))
      expect(readFileSync(join(own, name), 'utf8').split('\n').length).toBeLessThan(50);
  });
});

describe('a folder of rules', () => {
  test('a set that cannot be activated is told with file and line, and nothing opens', async () => {
    await expect(openRules({ folder, hashKey: null })).rejects.toThrow(/there is no rule file/);
    write(ruleText('a: txet'));
    const failure = await openRules({ folder, hashKey: null }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RulesInvalid);
    expect((failure as RulesInvalid).problems).toEqual([
      `${join(folder, 'thing.happened.yaml')}:5:6: fields.a: is no field type; did you mean "text"?`,
    ]);
    await expect(openRules({ folder: join(folder, 'nowhere'), hashKey: null })).rejects.toThrow(/cannot be read/);
  });

  test('a rule that hashes needs a key', async () => {
    write(ruleText('a: { type: id, sanitize: [hash] }'));
    await expect(openRules({ folder, hashKey: null })).rejects.toThrow(/there is no key for that/);
  });

  test('a changed file is activated, a failing one is refused and the set before goes on serving', async () => {
    write(ruleText('a: integer'));
    const reloads: Reload[] = [];
    await using rules = await openRules({ folder, hashKey: null, onReload: (reload) => void reloads.push(reload) });
    const before = rules.current;
    expect(await rules.reload()).toEqual({ kind: 'unchanged' });

    write(ruleText('a: { type: integer, required: true }')); // its example sends nothing
    expect(await rules.reload()).toMatchObject({ kind: 'refused' });
    expect(rules.current).toBe(before);
    expect(judgeData(rules.current, {}).kind).toBe('accepted');

    write(ruleText('a: { type: integer, default: 7 }').replace('result: {}', 'result: { a: 7 }'));
    const [first, second] = await Promise.all([rules.reload(), rules.reload()]);
    expect(first).toBe(second);
    expect(rules.current.fingerprint).not.toBe(before.fingerprint);
    expect(judgeData(before, {})).toMatchObject({ data: '{}' });
    expect(judgeData(rules.current, {})).toMatchObject({ data: '{"a":7}' });
    expect(reloads.map(({ kind }) => kind)).toEqual(['refused', 'activated']);
  });

  test.each([
    ['written in place', (text: string): void => write(text)],
    [
      'replaced by another file',
      (text: string): void => {
        write(text, '.new');
        renameSync(join(folder, '.new.yaml'), join(folder, 'thing.happened.yaml'));
      },
    ],
    [
      'behind a link that changes',
      (text: string): void => {
        writeFileSync(join(folder, 'elsewhere'), text);
        unlinkSync(join(folder, 'thing.happened.yaml'));
        symlinkSync(join(folder, 'elsewhere'), join(folder, 'thing.happened.yaml'));
      },
    ],
  ])('is followed without being asked: a file %s', async (_how, change) => {
    write(ruleText('a: integer'));
    const told = Promise.withResolvers<Reload>();
    await using rules = await openRules({ folder, hashKey: null, onReload: told.resolve });
    change(ruleText('a: text'));
    expect(await told.promise).toMatchObject({ kind: 'activated', set: rules.current });
    expect(judgeData(rules.current, { a: 'x' }).kind).toBe('accepted');
  });

  test('a folder that is gone is refused, and followed when it is there again', async () => {
    write(ruleText('a: integer'));
    await using rules = await openRules({ folder, hashKey: null });
    rmSync(folder, { recursive: true });
    expect(await rules.reload()).toMatchObject({ kind: 'refused' });
    expect(judgeData(rules.current, { a: 1 }).kind).toBe('accepted');
  });

  test('closing twice does no harm', async () => {
    write(ruleText('a: integer'));
    const rules = await openRules({ folder, hashKey: null });
    await rules[Symbol.asyncDispose]();
    await rules[Symbol.asyncDispose]();
  });
});
