// Syslog messages as real programs write them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSyslog } from '../../../../ingest/inputs/syslog/message.ts';
import { zoneReader } from '../../../../ingest/inputs/syslog/zone.ts';

const NOW = Date.parse('2026-11-23T14:00:00Z');
const parse = (
  text: string,
  zone = 'UTC',
  now = NOW,
): ReturnType<typeof parseSyslog> & { readonly iso: string | null } => {
  const parsed = parseSyslog(text, zoneReader(zone), now);
  const { time } = parsed;
  return {
    ...parsed,
    iso: time && `${new Date(time[0] * 1000).toISOString().slice(0, 19)}.${String(time[1]).padStart(9, '0')}`,
  };
};

describe('RFC 5424', () => {
  test('its own examples (6.5)', () => {
    expect(
      parse(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8",
      ),
    ).toMatchObject({
      iso: '2003-10-11T22:14:15.003000000',
      data: {
        facility: 'auth',
        severity: 'crit',
        hostname: 'mymachine.example.com',
        appname: 'su',
        msgid: 'ID47',
        message: "'su root' failed for lonvick on /dev/pts/8",
      },
    });
    expect(
      parse("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts."),
    ).toMatchObject({
      iso: '2003-08-24T12:14:15.000003000',
      data: { facility: 'local4', severity: 'notice', procid: '8710', message: "%% It's time to make the do-nuts." },
    });
    const { data } = parse(
      '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]',
    );
    expect(data.structured_data).toEqual({
      'exampleSDID@32473': { iut: '3', eventSource: 'Application', eventID: '1011' },
      'examplePriority@32473': { class: 'high' },
    });
    expect(data.message).toBe('');
  });

  test('escapes, names that stand twice, names of JavaScript', () => {
    const { data } = parse('<0>1 - - - - - [a x="q\\"b\\\\s\\]e\\n" x="2" x="3"][__proto__ constructor="c"] m [b]');
    expect(JSON.parse(JSON.stringify(data.structured_data))).toEqual(
      JSON.parse('{"a":{"x":["q\\"b\\\\s]e\\\\n","2","3"]},"__proto__":{"constructor":"c"}}'),
    );
    expect(data.message).toBe('m [b]');
    expect(data).toMatchObject({ facility: 'kern', severity: 'emerg' });
    expect(data).not.toHaveProperty('hostname');
  });

  test('structured data that cannot be read are part of the message: nothing is lost', () => {
    expect(parse('<13>1 - h a - - [x y=z] m').data).toMatchObject({ hostname: 'h', message: '[x y=z] m' });
    expect(parse('<13>1 - h a - - [x').data.message).toBe('[x');
  });

  test('a time that is none is the arrival', () => {
    expect(parse('<13>1 yesterday h a - - - m')).toMatchObject({ iso: null, data: { message: 'm' } });
  });
});

describe('RFC 3164 and what is sent in its name', () => {
  test.each([
    [
      "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
      { hostname: 'mymachine', appname: 'su', message: "'su root' failed", facility: 'auth', severity: 'crit' },
      '2026-10-11T22:14:15.000000000',
    ],
    [
      '<13>Nov  3 09:05:01 web-1 sshd[4711]: hello: world',
      { hostname: 'web-1', appname: 'sshd', procid: '4711', message: 'hello: world' },
      '2026-11-03T09:05:01.000000000',
    ],
    [
      '<13>Nov 23 13:00:00 root: from logger',
      { appname: 'root', message: 'from logger' },
      '2026-11-23T13:00:00.000000000',
    ],
    [
      '<13>Nov 23 13:00:00 cron[7]: no host',
      { appname: 'cron', procid: '7', message: 'no host' },
      '2026-11-23T13:00:00.000000000',
    ],
    [
      '<13>2026-11-23T13:00:00.123456+01:00 web-1 app: rsyslog',
      { hostname: 'web-1', appname: 'app', message: 'rsyslog' },
      '2026-11-23T12:00:00.123456000',
    ],
    [
      '<189>Nov 23 2026 13:00:00.5: %SYS-5-CONFIG_I: Configured',
      { appname: '%SYS-5-CONFIG_I', message: 'Configured', facility: 'local7' },
      '2026-11-23T13:00:00.500000000',
    ],
    ['<13>just text', { message: 'just text', facility: 'user', severity: 'notice' }, null],
    ['<13>app: text', { appname: 'app', message: 'text' }, null],
    ['no priority', { facility: 'user', severity: 'notice', message: 'no priority' }, null],
    [
      '<192>beyond the priorities',
      { facility: 'user', severity: 'notice', message: '<192>beyond the priorities' },
      null,
    ],
    ['<13>Feb 30 13:00:00 h a: m', { message: 'Feb 30 13:00:00 h a: m' }, null],
    ['<13>Foo 11 13:00:00 h a: m', { message: 'Foo 11 13:00:00 h a: m' }, null],
    ['<13>', { message: '' }, null],
    ['', { message: '' }, null],
  ])('%s', (text, data, iso) => expect(parse(text)).toMatchObject({ data, iso }));

  test('the year is the one that brings the time nearest to now', () => {
    expect(parse('<13>Dec 31 23:59:59 h a: m', 'UTC', Date.parse('2027-01-01T00:00:05Z')).iso).toMatch(
      /^2026-12-31T23:59:59/,
    );
    expect(parse('<13>Jan  1 00:00:01 h a: m', 'UTC', Date.parse('2026-12-31T23:59:58Z')).iso).toMatch(
      /^2027-01-01T00:00:01/,
    );
    expect(parse('<13>Feb 29 12:00:00 h a: m', 'UTC', Date.parse('2028-03-01T00:00:00Z')).iso).toMatch(
      /^2028-02-29T12/,
    );
    expect(parse('<13>Feb 29 12:00:00 h a: m', 'UTC', NOW).iso).toBeNull();
  });

  test('times without a zone are of the configured one, over its changes', () => {
    expect(parse('<13>Nov 23 08:00:00 h a: m', 'America/Chicago').iso).toMatch(/^2026-11-23T14:00:00/);
    const summer = Date.parse('2026-07-01T00:00:00Z');
    expect(parse('<13>Jul  1 08:00:00 h a: m', 'America/Chicago', summer).iso).toMatch(/^2026-07-01T13:00:00/);
    // On 1 November 2026 the hour from 1:00 comes twice: it is the first.
    expect(parse('<13>Nov  1 01:30:00 h a: m', 'America/Chicago').iso).toMatch(/^2026-11-01T06:30:00/);
    expect(parse('<13>Nov  1 02:30:00 h a: m', 'America/Chicago').iso).toMatch(/^2026-11-01T08:30:00/);
    expect(parse('<13>Nov 23 19:45:00 h a: m', 'Asia/Kathmandu').iso).toMatch(/^2026-11-23T14:00:00/);
  });
});

test('any text is a message, and its end is in it', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '<13>',
      '1 ',
      '- ',
      '[a x="',
      '"]',
      'Nov 23 13:00:00 ',
      'h ',
      'a[1]: ',
      '\\',
      ']',
      '2026-11-23T13:00:00Z ',
    ),
    fc.string({ unit: 'binary', maxLength: 12 }),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
      (text) => {
        const { data } = parse(`${text}END`);
        expect(JSON.stringify(data)).toContain('END');
      },
    ),
    { numRuns: 2000 },
  );
});

test('no text takes long', () => {
  const start = performance.now();
  for (const hard of ['[a x="', '[a ', '\\"', '<13>1 - - - - - [', 'a[', ' ', '1 '])
    parse(`<13>1 - - - - - [a${hard.repeat(20_000)}`);
  expect(performance.now() - start).toBeLessThan(2_000); // quadratic would be minutes
});
