// What every input must do, whatever its protocol: one suite, run by each over a driver that speaks its protocol as a client does.
import { describe, expect, test, vi } from 'vitest';
import type { Level } from '#core/config/config.ts';
import { isUuidv7 } from '#core/uuid.ts';
import type { Accepted, Input, InputContext } from '../../../ingest/inputs/contract.ts';
import { type Recorder, createRecorder } from './recorder.ts';

export interface InputDriver {
  /** As it stands in the source of an event. */
  readonly name: string;
  /** The type of what `send` sends: as it was asked for, or the one that the configuration gives. */
  readonly typeOf: (asked: string) => string;
  /** What the data of the event are for a record that was sent. */
  readonly dataOf: (record: object) => unknown;
  /** Its sender learns what became of the events. */
  readonly answers: boolean;
  /** Listens at `listen`, or reads from what stands for it. */
  readonly start: (context: InputContext, level: Level, listen: string) => Promise<Input>;
  /**
   * Sends the records at once, as one client. Resolves with what the sender was told at last: `accepted`, or `refused` (an answer, a connection
   * closed); `untold` at once for a sender that is not answered.
   */
  readonly send: (
    address: string,
    type: string,
    records: readonly object[],
  ) => Promise<'accepted' | 'refused' | 'untold'>;
  /** Sends what is no event; null where everything is one. */
  readonly sendBad: ((address: string) => Promise<void>) | null;
}

interface Started extends AsyncDisposable {
  readonly recorder: Recorder;
  readonly input: Input;
}

const ANY_PORT = '127.0.0.1:0';
const sum = (table: Readonly<Record<string, number>>): number => Object.values(table).reduce((a, b) => a + b, 0);
const told = ({ accepted, refused, lost }: Recorder): number => accepted + sum(refused) + sum(lost);

const settled = (recorder: Recorder, count: number): Promise<void> =>
  vi.waitFor(() => expect(told(recorder)).toBeGreaterThanOrEqual(count), { timeout: 10_000, interval: 5 });
const refuse = (reason: 'full' | 'disk' | 'closing'): Promise<Accepted> =>
  Promise.resolve({ kind: 'refused', reason, message: '', retryAfter: 1 });

export function inputConformance(driver: InputDriver): void {
  const start = async (over: Partial<InputContext> = {}, level: Level = 'disk'): Promise<Started> => {
    const recorder = createRecorder(over);
    const input = await driver.start(recorder.context, level, ANY_PORT);
    return { recorder, input, [Symbol.asyncDispose]: () => input[Symbol.asyncDispose]() };
  };

  describe(`the contract of inputs: ${driver.name}`, () => {
    test('an event has all that an event needs, and the data that were sent', async () => {
      const now = Date.parse('2026-11-23T14:00:00.123Z');
      await using started = await start({ clock: () => now });
      const record = { n: 1, deep: { list: [1, null, true, 'a'] } };
      expect(await driver.send(started.input.address, 'checkin.visit', [record])).not.toBe('refused');
      await settled(started.recorder, 1);
      const [event] = started.recorder.events();
      expect(event).toMatchObject({
        type: driver.typeOf('checkin.visit'),
        source: `/chicago/web-1/${driver.name}`,
        receivedat: '2026-11-23T14:00:00.123Z',
        host: 'web-1',
        site: 'chicago',
        payload: driver.dataOf(record),
      });
      expect(isUuidv7(event?.id ?? '')).toBe(true);
      expect(started.recorder.groups[0]?.type).toBe(event?.type);
    });

    test('many at once: none is missing, none is there twice, the order is kept', async () => {
      await using started = await start();
      const records = Array.from({ length: 250 }, (_, n) => ({ n }));
      for (let at = 0; at < records.length; at += 50)
        await driver.send(started.input.address, 'a', records.slice(at, at + 50));
      await settled(started.recorder, records.length);
      const events = started.recorder.events();
      expect(events.map(({ payload }) => payload)).toEqual(records.map(driver.dataOf));
      expect(new Set(events.map(({ id }) => id)).size).toBe(records.length);
      expect(started.recorder).toMatchObject({ accepted: 250, refused: {}, lost: {}, closed: {}, faults: [] });
    });

    test('text comes out as it went in, on one line', async () => {
      await using started = await start();
      const record = { t: 'quote " backslash \\ tab \t é 漢 😀 \u2028 \u007f', lines: 'a\nb\r\nc' };
      await driver.send(started.input.address, 'a', [record]);
      await settled(started.recorder, 1);
      expect(started.recorder.events()[0]?.payload).toEqual(driver.dataOf(record));
    });

    test.each(['memory', 'disk', 'site'] as const)('the level is the configured one: %s', async (level) => {
      await using started = await start({}, level);
      await driver.send(started.input.address, 'a', [{ n: 1 }]);
      await settled(started.recorder, 1);
      expect(started.recorder.levels).toEqual([level]);
    });

    if (driver.answers)
      test('the sender is answered when the level is reached, not before', async () => {
        await using started = await start();
        const held = started.recorder.hold();
        let answered: string | null = null;
        const sent = driver.send(started.input.address, 'a', [{ n: 1 }]).then((answer) => (answered = answer));
        await held.asked;
        // A second sender's whole exchange lies between.
        started.recorder.outcome = null;
        await driver.send(started.input.address, 'a', [{ n: 2 }]);
        expect(answered).toBeNull();
        held.release();
        expect(await sent).toBe('accepted');
        expect(started.recorder.accepted).toBe(2);
      });

    test.each(['full', 'disk', 'closing'] as const)(
      '%s: the sender is told, or the loss is counted',
      async (reason) => {
        await using started = await start();
        let refusals = 0;
        started.recorder.outcome = () => (refusals++ === 0 ? refuse(reason) : Promise.resolve(null));
        const answer = await driver.send(started.input.address, 'a', [{ n: 1 }, { n: 2 }]);
        expect(answer).toBe(driver.answers ? 'refused' : 'untold');
        await settled(started.recorder, 1);
        const { recorder } = started;
        // Once for the request or for each event; or held back and taken later.
        if (recorder.accepted === 0) expect(Object.keys({ ...recorder.refused, ...recorder.lost })).toEqual([reason]);
        expect(recorder.accepted).toBe(recorder.lines().length);
      },
    );

    test('a fault of ours is told to the operator, and is no acceptance', async () => {
      await using started = await start();
      let calls = 0;
      started.recorder.outcome = () => (calls++ === 0 ? Promise.reject(new Error('a bug')) : Promise.resolve(null));
      expect(await driver.send(started.input.address, 'a', [{ n: 1 }])).not.toBe('accepted');
      await vi.waitFor(() => expect(started.recorder.faults).toHaveLength(1));
      await driver.send(started.input.address, 'a', [{ n: 2 }]);
      await vi.waitFor(() => expect(started.recorder.lines().length).toBeGreaterThan(0));
    });

    if (driver.sendBad !== null)
      test('what is no event is counted, and costs nothing else', async () => {
        await using started = await start();
        await driver.sendBad?.(started.input.address);
        await settled(started.recorder, 1);
        expect(started.recorder.accepted).toBe(0);
        await driver.send(started.input.address, 'a', [{ n: 1 }]);
        await vi.waitFor(() => expect(started.recorder.accepted).toBe(1));
        expect(started.recorder.faults).toEqual([]);
      });

    test('`types:` of the configuration gives the type, and the name is kept', async () => {
      await using started = await start({ types: [{ match: '**', type: 'mapped' }] });
      await driver.send(started.input.address, 'some.name', [{ n: 1 }]);
      await settled(started.recorder, 1);
      expect(started.recorder.events()[0]).toMatchObject({ type: 'mapped', tag: driver.typeOf('some.name') });
    });

    test('its end: what was taken is settled, the address is free, and ending twice is no matter', async () => {
      const { recorder, input } = await start();
      const held = recorder.hold();
      const sent = driver.send(input.address, 'a', [{ n: 1 }]);
      await held.asked;
      const ended = [input[Symbol.asyncDispose](), input[Symbol.asyncDispose]()];
      held.release();
      expect(await sent).not.toBe('refused');
      await Promise.all(ended);
      expect(recorder).toMatchObject({ accepted: 1, refused: {}, lost: {}, faults: [] });
      const again = createRecorder();
      await using next = await driver.start(
        again.context,
        'disk',
        new URL(input.address.replace(/^\w+:/, 'http:')).host,
      );
      await driver.send(next.address, 'a', [{ n: 2 }]);
      await settled(again, 1);
    });
  });
}
