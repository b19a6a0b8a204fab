// A rule as it is used: out of its file, checked, with every default filled in. Nothing is optional.
import type { RejectionCode } from '../codes.ts';
import type { Sanitizer } from '../verdict.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

interface Common {
  readonly required: boolean;
  readonly about: string;
  /** Undefined where there is none. */
  readonly default: string | number | boolean | undefined;
  /** Those that the type always has, and those asked for; in the order in which they run. */
  readonly sanitize: readonly Sanitizer[];
}

/** `line`: line breaks and tabs become blanks. `lines`: they stay. `ascii`: a line of printable ASCII. `word`: A-Z a-z 0-9 _ . - alone. */
export type Characters = 'line' | 'lines' | 'ascii' | 'word';

export type Field = Common &
  (
    | {
        readonly type: 'text';
        readonly min: number;
        readonly max: number;
        readonly characters: Characters;
        readonly cards: 'mask' | 'keep';
      }
    | { readonly type: 'id'; readonly max: number; readonly form: 'any' | 'uuid' }
    | { readonly type: 'integer'; readonly min: number; readonly max: number }
    | { readonly type: 'decimal'; readonly min: string; readonly max: string; readonly scale: number }
    | { readonly type: 'money'; readonly min: string; readonly max: string; readonly currencies: readonly string[] }
    | { readonly type: 'enum'; readonly values: readonly string[] }
    | { readonly type: 'url'; readonly max: number; readonly schemes: readonly string[] }
    | { readonly type: 'geo'; readonly scale: number }
    | { readonly type: 'boolean' | 'timestamp' | 'email' | 'phone' | 'locale' | 'version' | 'ip' }
    | {
        readonly type: 'list';
        readonly items: Field;
        readonly min: number;
        readonly max: number;
        readonly unique: boolean;
      }
    | { readonly type: 'map'; readonly values: Field; readonly max: number }
    | { readonly type: 'nested'; readonly fields: Fields }
    | { readonly type: 'one-of'; readonly by: string; readonly kinds: ReadonlyMap<string, Fields> }
  );

/** By name, in the order of the file. */
export type Fields = ReadonlyMap<string, Field>;
export type FieldOf<T extends Field['type']> = Extract<Field, { readonly type: T }>;

/** Holds where every field of `when` has one of its values and every field of `with` is there; then the rest must hold. */
export interface Condition {
  readonly when: ReadonlyMap<string, readonly (string | number | boolean)[]>;
  readonly with: readonly string[];
  readonly require: readonly string[];
  readonly forbid: readonly string[];
  /** One of them at least. */
  readonly any: readonly string[];
  /** Each, where it is there, not below the one before. */
  readonly order: readonly string[];
}

export type Unknown = 'drop' | 'keep' | 'reject';

interface ExampleParts {
  readonly name: string;
  /** JSON text of the data. */
  readonly data: string;
  /** In the rule file, from 1. */
  readonly line: number;
}
export type Example = ExampleParts &
  (
    | { readonly kind: 'accepted'; readonly result: Json }
    | { readonly kind: 'rejected'; readonly code: RejectionCode; readonly pointer: string | null }
  );

export interface Rule {
  /** `purchase`, `purchase@2`. */
  readonly name: string;
  readonly type: string;
  readonly version: number;
  readonly about: string;
  readonly shadow: boolean;
  readonly unknown: Unknown;
  readonly fields: Fields;
  readonly conditions: readonly Condition[];
  readonly examples: readonly Example[];
}
