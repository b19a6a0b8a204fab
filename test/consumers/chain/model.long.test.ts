// Many more schedules of the model, with seeds that change from run to run; a failure names its seed.
import { expect, it } from 'vitest';
import { tryWorld } from './model.ts';

const SCHEDULES = 300_000;

it(`puts every event into exactly one committed object, in ${SCHEDULES} schedules`, () => {
  const from = Math.floor(Math.random() * 2 ** 31);
  for (let seed = from; seed < from + SCHEDULES; seed++) expect(tryWorld(seed).verdict).toEqual({ kind: 'ok' });
});
