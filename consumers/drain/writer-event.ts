// What a partition's writer tells: the facts behind log lines, counters and readiness.
import type { Trouble } from '../chain/run.ts';
import type { Position } from '../source/contract.ts';

export type WriterEvent =
  | { readonly kind: 'recovered'; readonly partition: number; readonly n: number; readonly position: Position | null }
  | {
      readonly kind: 'committed';
      readonly partition: number;
      readonly n: number;
      readonly objects: number;
      readonly events: number;
      readonly repeated: number;
      readonly filtered: number;
      readonly dead: number;
      readonly bytes: number;
      readonly ms: number;
    }
  | { readonly kind: 'superseded'; readonly partition: number }
  | { readonly kind: 'moved-away'; readonly partition: number; readonly home: string }
  /** The store answers, and the chain is where this writer knows it. */
  | { readonly kind: 'fine'; readonly partition: number }
  | { readonly kind: 'trouble'; readonly partition: number; readonly trouble: Trouble }
  | { readonly kind: 'failed'; readonly partition: number; readonly error: unknown };
