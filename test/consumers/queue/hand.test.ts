import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Hand, Held, type Booked, type Channel } from '../../../consumers/queue/hand.ts';

const events = 6;

interface Told {
  acks: number;
  nacks: number;
  settled: number;
  lost: boolean;
}

const channel = (): Channel<Told> => ({ ack: (told) => told.acks++, nack: (told) => told.nacks++ });

test('books balance, and each message is acked or given back once, and acked only when all of it is settled', () => {
  const step = fc.record({
    act: fc.constantFrom('open', 'settle', 'rise', 'land', 'leave', 'surrender', 'lose'),
    at: fc.nat(4),
    reason: fc.constantFrom('delivered', 'repeated', 'dead', 'filtered'),
    events: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const books: Record<Booked | 'read', number> = {
        read: 0,
        delivered: 0,
        repeated: 0,
        dead: 0,
        filtered: 0,
        returned: 0,
      };
      const hand = new Hand<Told>((reason, count) => (books[reason] += count));
      const channels = [channel(), channel()];
      const messages = Array.from({ length: 5 }, (_, index) => {
        const told: Told = { acks: 0, nacks: 0, settled: 0, lost: false };
        const held = new Held(channels[index % 2] as Channel<Told>, told, 10, index);
        hand.take(held);
        return { held, told, opened: false };
      });
      for (const { act, at, reason, events: count } of steps) {
        const message = messages[at];
        if (message === undefined) throw new Error('at is below 5');
        const { held, told } = message;
        if (act === 'open' && !message.opened && !held.gone) {
          message.opened = true;
          hand.opened(held, events, 1000 + at);
        }
        if (act === 'settle' && message.opened) {
          // No more than is open is ever settled while it is held; what is told later is dropped.
          const now = held.gone ? count : Math.min(count, held.open);
          if (!held.gone) told.settled += now;
          hand.settle(held, reason, now);
        }
        if (act === 'rise' && message.opened && held.wanted) hand.fly(held, 1);
        if (act === 'land' && held.flying > 0) hand.fly(held, -1);
        if (act === 'leave' && !held.gone) hand.leave(held);
        if (act === 'surrender') hand.surrender(held);
        if (act === 'lose') {
          for (const each of messages) if (each.held.channel === held.channel && !each.held.gone) each.told.lost = true;
          hand.lose(held.channel);
        }
        const settled = books.delivered + books.repeated + books.dead + books.filtered;
        expect(books.read).toBe(settled + books.returned + hand.events);
        expect(hand.bytes).toBe(10 * hand.messages);
        for (const each of messages) {
          expect(each.told.acks + each.told.nacks + Number(each.told.lost)).toBe(Number(each.held.gone));
          expect(each.told.acks === 1).toBe(each.told.settled === events);
          if (each.held.leaving && !each.held.gone) expect(each.held.flying).toBeGreaterThan(0);
        }
      }
    }),
  );
});

test('the oldest event is known while it is in hand, and after it was given back until something comes again', () => {
  const hand = new Hand<string>(() => {});
  const silent = { ack: () => {}, nack: () => {} };
  const [first, second] = [new Held(silent, 'first', 1, 0), new Held(silent, 'second', 1, 0)];
  hand.take(first);
  hand.opened(first, 1, 500);
  hand.take(second);
  hand.opened(second, 1, 400);
  expect(hand.oldest()).toBe(400);
  hand.leave(first);
  hand.leave(second);
  expect(hand.oldest()).toBeNull();
  expect(hand.givenBack).toBe(400);
  const again = new Held(silent, 'again', 1, 0);
  hand.take(again);
  hand.opened(again, 1, 450);
  expect(hand.givenBack).toBeNull();
});
