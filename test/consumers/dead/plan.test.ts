import { describe, expect, test } from 'vitest';
import { mendEvent } from '../../../consumers/dead/mend.ts';
import { planReplay, planText } from '../../../consumers/dead/plan.ts';
import type { Letter } from '../../../consumers/dead/letters.ts';
import { historyText, lettersTable, summary, summaryText } from '../../../consumers/dead/texts.ts';
import { configFor, noInputs } from '../../site-config.ts';
import { chicago, east } from '../../topology/sites.ts';
import { files, search } from '../sinks.ts';

const letterOf = (parts: Partial<Letter>): Letter => ({
  id: '0123456789abcdef0123456789abcdef',
  lies: 'chicago',
  sink: 'search',
  type: 'card.tapped',
  reason: 'rejected',
  code: 'mapping',
  message: 'no',
  content: 'event',
  first: 1_000,
  last: 2_000,
  attempts: 1,
  offset: 1n,
  resolved: null,
  ...parts,
});

describe('a plan', () => {
  const http = { listen: '127.0.0.1:9880', level: 'disk', maxBody: 1, maxEvent: 1 } as const;
  const sinks = [files, { ...search, home: 'us-east-1' }];
  const config = configFor([chicago, east], { sinks, agent: { inputs: { ...noInputs, http } } });

  test('sends a letter only to the sink that refused it, at its home, and says what is left out and why', () => {
    const plan = planReplay(
      [
        letterOf({}),
        letterOf({ sink: 'files', content: 'batch' }),
        letterOf({ sink: 'gone' }),
        letterOf({ sink: '', reason: 'unrouted', content: 'batch' }),
        letterOf({ content: 'message', reason: 'invalid' }),
        letterOf({ resolved: { reason: 'replayed', at: 1 } }),
      ],
      config,
    );
    expect(plan.parts.map(({ target, letters }) => [target, letters.length])).toEqual([
      [{ kind: 'queue', sink: 'search', home: 'us-east-1' }, 1],
      [{ kind: 'agent', sink: 'files', listen: '127.0.0.1:9880' }, 1],
    ]);
    expect(plan.left.map(({ why }) => why)).toEqual([
      'the configuration has no sink "gone"',
      'no sink refused it (waggle dead show prints what it is)',
      'it is no event (waggle dead show prints it)',
      'resolved already',
    ]);
    expect(planText(plan)).toContain('1 letter to the queue of search at us-east-1\n');
    expect(planText(plan)).toContain('1 letter left out: resolved already: 0123456789ab\n');
  });

  test('without an agent leaves out what would go through it', () => {
    const { parts, left } = planReplay([letterOf({ sink: 'files' })], { ...config, agent: configFor([chicago]).agent });
    expect(parts).toEqual([]);
    expect(left[0]?.why).toContain('agent.inputs.http is not configured');
  });
});

describe('what people see', () => {
  test('holds nothing that commands a terminal', () => {
    const letter = letterOf({ message: 'a\u001B[2Jb\nc\u202Ed', type: 'x\u0007', code: '\u009B1m' });
    const text = [...lettersTable([letter]), summaryText(summary([letter]))].join('');
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    const record = {
      kind: 'letter' as const,
      letter: letter.id,
      site: 'chicago',
      event: { type: 't', id: '\u001Bc', source: 's' },
      position: null,
      body: Buffer.alloc(0),
      ...letter,
    };
    const history = historyText(letter, [{ record, offset: 1n }], record);
    expect(history.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('counts by sink, reason and code, the most first', () => {
    const letters = [letterOf({ code: 'a' }), letterOf({}), letterOf({ resolved: { reason: 'discarded', at: 1 } })];
    expect(summaryText(summary(letters))).toBe(
      '3 letters, by sink and reason:\n  search: rejected (mapping): 1 open, 1 resolved\n  search: rejected (a): 1 open\n',
    );
  });
});

describe('a mended event', () => {
  const line = Buffer.from(
    '{"specversion":"1.0","type":"a.b","receivedat":"2026-11-23T12:00:00.000Z","time":"2026-11-23T12:00:00Z","id":"1","source":"/s","host":"h","site":"x","datacontenttype":"application/json","data":{"n":1}}',
  );
  const mend = (json: string): string => {
    const mended = mendEvent(line, Buffer.from(json));
    return mended.kind === 'mended' ? mended.line.toString() : `unfit: ${mended.message}`;
  };

  test('is its data in the old envelope, with every digit, on one line', () => {
    expect(mend('{"n":\r\n 9007199254740993, "x":1e400}\n')).toBe(
      line.toString().replace('{"n":1}', '{"n":   9007199254740993, "x":1e400}'),
    );
    expect(mend('[1]')).toBe(line.toString().replace('{"n":1}', '[1]'));
  });

  test('is a whole event of the same source, id and type', () => {
    const whole = line.toString().replace('{"n":1}', '{"n":2}');
    expect(mend(`${whole}\n`)).toBe(whole);
    expect(mend(whole.replace('"1.0"', '"0.3"'))).toMatch(/^unfit: \/specversion: /);
    expect(mend(whole.replace('"id":"1"', '"id":"2"'))).toContain('id must stay');
    expect(mend(whole.replace('"a.b"', '"a.c"'))).toContain('type must stay');
    expect(mend(whole.replace(',"host":"h"', ''))).toContain('unfit: an event has id,');
    expect(mend(whole.replace('12:00:00Z', '25:00:00Z'))).toMatch(/^unfit: \/time: /);
  });

  test('keeps a type that only Bee knows: purchase@2, a version of its rule', () => {
    const versioned = line.toString().replace('"a.b"', '"a.b@2"');
    const whole = versioned.replace('{"n":1}', '{"n":2}');
    expect(mendEvent(Buffer.from(versioned), Buffer.from(whole))).toEqual({ kind: 'mended', line: Buffer.from(whole) });
    expect(mendEvent(Buffer.from(versioned), Buffer.from(whole.replace('@2', ''))).kind).toBe('unfit');
  });

  test('gets data where it had none', () => {
    const bare = line.toString().replace(',"datacontenttype":"application/json","data":{"n":1}', '');
    const mended = mendEvent(Buffer.from(`${bare}\n`), Buffer.from('{"n":2}'));
    expect(mended).toEqual({ kind: 'mended', line: Buffer.from(`${bare.slice(0, -1)},"data":{"n":2}}`) });
  });

  test('is refused where it is no JSON, or the letter holds no event', () => {
    expect(mend('{"n":')).toMatch(/^unfit: /);
    expect(mend('')).toMatch(/^unfit: /);
    expect(mendEvent(Buffer.from('no event'), Buffer.from('{}')).kind).toBe('unfit');
  });
});
