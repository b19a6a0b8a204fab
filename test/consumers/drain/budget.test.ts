import { expect, test } from 'vitest';
import { Budget, type Spender } from '../../../consumers/drain/budget.ts';

/** A partition that writes when it is told to, and ends when the test says so. */
class Partition implements Spender {
  open = 0;
  flight = 0;
  resumed = 0;
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
    budget.join(this);
  }
  get flushing(): boolean {
    return this.flight > 0;
  }
  read(bytes: number): void {
    this.open += bytes;
    this.#budget.take(bytes);
  }
  flush(): void {
    if (this.flushing) return;
    this.flight = this.open;
    this.open = 0;
  }
  resume(): void {
    this.resumed++;
  }
  done(): void {
    const bytes = this.flight;
    this.flight = 0;
    this.#budget.release(bytes);
  }
}

test('the largest window is written when the open ones hold half', () => {
  const budget = new Budget(100);
  const [small, large] = [new Partition(budget), new Partition(budget)];
  small.read(10);
  large.read(39);
  expect([small.flushing, large.flushing]).toEqual([false, false]);
  small.read(1);
  expect([small.flushing, large.flushing]).toEqual([false, true]);
});

test('what fills it while everything is being written is written next, without more traffic', () => {
  const budget = new Budget(100);
  const partitions = [new Partition(budget), new Partition(budget)];
  for (const partition of partitions) partition.read(50);
  for (const partition of partitions) partition.flush();
  for (const partition of partitions) partition.read(60); // chunks that were on their way
  expect(budget.room).toBe(false);
  for (let turn = 0; turn < 10 && budget.held > 0; turn++) for (const partition of partitions) partition.done();
  expect(budget.held).toBeLessThan(50);
  expect(budget.room).toBe(true);
  for (const partition of partitions) expect(partition.resumed).toBeGreaterThan(0);
});
