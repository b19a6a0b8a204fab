import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfirmWindow } from '../../../ingest/publish/confirm-window.ts';

test('settles what a plain map of tags would, for any acks, late ones and repeats too', () => {
  const act = fc.oneof(
    fc.record({ kind: fc.constant('send' as const), count: fc.integer({ min: 1, max: 90 }) }),
    fc.record({ kind: fc.constant('settle' as const), tag: fc.integer({ min: 0, max: 400 }), multiple: fc.boolean() }),
    fc.record({ kind: fc.constant('takeAll' as const) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const window = new ConfirmWindow<string>();
      const model = new Map<number, string>();
      let next = 1;
      let now = 0;
      for (const each of acts) {
        now++;
        if (each.kind === 'send') {
          for (let i = 0; i < each.count; i++) {
            model.set(next, `${next} at ${now}`);
            expect(window.sent(`${next} at ${now}`, now)).toBe(next++);
          }
        } else if (each.kind === 'settle') {
          const tags = [...model.keys()].filter((tag) => tag === each.tag || (each.multiple && tag <= each.tag));
          const expected = each.tag >= next ? [] : tags.map((tag) => model.get(tag));
          if (each.tag < next) for (const tag of tags) model.delete(tag);
          const settled: string[] = [];
          window.settle(each.tag, each.multiple, (item) => settled.push(item));
          expect(settled).toEqual(expected);
        } else {
          expect(window.takeAll()).toEqual([...model.values()]);
          model.clear();
        }
        const oldest = model.values().next().value;
        expect(window.empty).toBe(model.size === 0);
        expect(window.oldest()).toBe(oldest === undefined ? null : Number(oldest.split(' at ')[1]));
      }
    }),
  );
});
