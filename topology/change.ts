// One difference between what a site has and what it should have.
import type { Desired, Observed } from './objects.ts';

/** Values are for people, without secrets. */
export interface FieldChange {
  readonly field: string;
  readonly from: string;
  readonly to: string;
}

export type Change =
  | { readonly kind: 'create'; readonly object: Desired }
  /** Drift that can be put right in place. */
  | { readonly kind: 'update'; readonly object: Desired; readonly fields: readonly FieldChange[] }
  /** Only the user `guest`, and bindings to a sink's queue that its `match` names no more. */
  | { readonly kind: 'delete'; readonly object: Observed; readonly reason: string }
  | Refusal
  /** Ours by its name, or with a hold on what is ours, but in no configuration. */
  | { readonly kind: 'orphan'; readonly subject: string; readonly reason: string; readonly steps: readonly string[] };

/** Differs, and cannot be changed in place: `steps` are for a person. */
export interface Refusal {
  readonly kind: 'refuse';
  readonly subject: string;
  readonly reason: string;
  readonly steps: readonly string[];
}

export function refuse(subject: string, reason: string, ...steps: readonly string[]): Refusal {
  return { kind: 'refuse', subject, reason, steps };
}
