import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, localUrl, parseAddress, parseDuration, parseSize } from '#core/units.ts';

describe('sizes', () => {
  test.each([
    ['0B', 0],
    ['1KB', 1000],
    ['64MiB', 67_108_864],
    ['1.5GB', 1_500_000_000],
    ['10GiB', 10 * 2 ** 30],
    ['2TiB', 2 * 2 ** 40],
  ])('%s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(['', '64', 'MiB', '64 MiB', '64mib', '-1MB', '1e3B', '1.MB', '.5MB', '999999999999TiB', '1MB\n', '64MiBs'])(
    '%j is none',
    (text) => expect(parseSize(text)).toBeNull(),
  );
});

describe('durations', () => {
  test.each([
    ['0s', 0],
    ['100ms', 100],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each(['', '5', '5min', '5M', '7D', '1h30m', '-1s'])('%j is none', (text) =>
    expect(parseDuration(text)).toBeNull(),
  );
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1:9880', { host: '127.0.0.1', port: 9880 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['chicago-1.example.com:65535', { host: 'chicago-1.example.com', port: 65_535 }],
  ])('%s', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(address)).toBe(text);
  });

  test.each(['', ':80', 'host', 'host:', 'host:65536', '::1:80', 'a b:80', 'u@host:80', 'host:80/x', '-host:80'])(
    '%j is none',
    (text) => expect(parseAddress(text)).toBeNull(),
  );

  test('one that listens everywhere is asked on loopback', () => {
    expect(localUrl('0.0.0.0:9881')).toBe('http://127.0.0.1:9881');
    expect(localUrl('[::]:9881')).toBe('http://[::1]:9881');
    expect(localUrl('10.0.0.7:9881')).toBe('http://10.0.0.7:9881');
  });
});

test('no text makes a parser throw', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const value of [parseSize(text), parseDuration(text)])
        expect(value === null || Number.isSafeInteger(value)).toBe(true);
      const address = parseAddress(text);
      expect(address === null || parseAddress(formatAddress(address))?.port === address.port).toBe(true);
    }),
  );
});
