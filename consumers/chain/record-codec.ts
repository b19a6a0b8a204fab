// Encoding and strict decoding of the chain's records; the grammar stands in records.ts.
import { NumberSet } from '#core/numbers.ts';
import type { Position } from '../source/contract.ts';
import type { ChainId, RecordKind } from './keys.ts';
import type { Commit, Intent, Mark, Numbers, Seen, Snapshot } from './records.ts';

const VERSION = 1;

/** A record that this version cannot read. The chain stops there: nothing is written on top of what is not understood. */
export class RecordInvalid extends Error {
  override readonly name = 'RecordInvalid';
  readonly key: string;
  /** Path within the record, as in `objects[2].count`; empty for the record as a whole. */
  readonly field: string;
  constructor(key: string, field: string, what: string) {
    super(`chain record ${key}${field === '' ? '' : `, field ${field}`}: ${what}`);
    this.key = key;
    this.field = field;
  }
}

/** Without identities that have no numbers: the grammar knows no empty set. */
const numbersText = (numbers: Numbers): Record<string, string> =>
  Object.fromEntries(
    [...numbers].filter(([, set]) => set.count > 0).map(([identity, set]) => [identity, set.encode()]),
  );

const bytesOf = (value: object): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);

export function encodeIntent(intent: Intent): Buffer {
  return bytesOf({
    v: VERSION,
    ...intent,
    objects: intent.objects.map((object) => ({ ...object, numbers: numbersText(object.numbers) })),
    skipped: numbersText(intent.skipped),
  });
}

export function encodeCommit(commit: Commit): Buffer {
  const { snapshot } = commit;
  return bytesOf({
    v: VERSION,
    ...commit,
    adds: numbersText(commit.adds),
    positions: Object.fromEntries(
      [...commit.positions].map(([site, at]) => [site, { ...at, offset: at.offset.toString() }]),
    ),
    snapshot: snapshot && {
      ...snapshot,
      seen: Object.fromEntries(
        [...snapshot.seen].map(([identity, { last, dead, numbers }]) => [
          identity,
          { last, dead, numbers: numbers.encode() },
        ]),
      ),
    },
  });
}

/** A value of the record with its place, for messages. */
class Field {
  readonly #key: string;
  readonly #path: string;
  readonly #value: unknown;
  constructor(key: string, path: string, value: unknown) {
    this.#key = key;
    this.#path = path;
    this.#value = value;
  }

  fail(what: string): RecordInvalid {
    return new RecordInvalid(this.#key, this.#path, what);
  }

  get isNull(): boolean {
    return this.#value === null;
  }

  #object(): Readonly<Record<string, unknown>> {
    const value = this.#value;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.fail('must be an object');
    return value as Record<string, unknown>; // JSON has no other objects
  }

  #inner(name: string, value: unknown): Field {
    return new Field(this.#key, this.#path === '' ? name : `${this.#path}.${name}`, value);
  }

  entries(): [string, Field][] {
    return Object.entries(this.#object()).map(([name, value]) => [name, this.#inner(name, value)]);
  }

  /** Exactly these members. */
  members<Name extends string>(...names: readonly Name[]): Record<Name, Field> {
    const value = this.#object();
    const fields: Partial<Record<Name, Field>> = {};
    for (const name of names) {
      if (!Object.hasOwn(value, name)) throw this.fail(`member "${name}" is missing`);
      fields[name] = this.#inner(name, value[name]);
    }
    for (const name of Object.keys(value))
      if (!Object.hasOwn(fields, name)) throw this.fail(`member "${name}" is not known`);
    return fields as Record<Name, Field>; // all names were there
  }

  items(): Field[] {
    if (!Array.isArray(this.#value)) throw this.fail('must be a list');
    return this.#value.map((inner, i) => new Field(this.#key, `${this.#path}[${i}]`, inner));
  }

  text(pattern: RegExp): string {
    if (typeof this.#value !== 'string' || !pattern.test(this.#value))
      throw this.fail(`must be a text like ${pattern.source}`);
    return this.#value;
  }

  integer(least: number): number {
    if (!Number.isSafeInteger(this.#value) || (this.#value as number) < least)
      throw this.fail(`must be an integer from ${least}`);
    return this.#value as number; // just tested
  }

  boolean(): boolean {
    if (typeof this.#value !== 'boolean') throw this.fail('must be true or false');
    return this.#value;
  }

  is(wanted: string | number): void {
    if (this.#value !== wanted)
      throw this.fail(`must be ${JSON.stringify(wanted)}, not ${JSON.stringify(this.#value)}`);
  }

  ranges(): NumberSet {
    const text = this.text(/^[0-9,-]+$/);
    try {
      return NumberSet.decode(text);
    } catch (error) {
      throw this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  numbers(): Numbers {
    return new Map(this.entries().map(([identity, ranges]) => [identity, ranges.ranges()]));
  }
}

function parse(key: string, bytes: Buffer): Field {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new RecordInvalid(
      key,
      '',
      `no JSON (${error instanceof Error ? error.message : String(error)}); ${bytes.length} bytes`,
    );
  }
  const version = typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined;
  if (version !== VERSION)
    throw new RecordInvalid(
      key,
      'v',
      `format version ${JSON.stringify(version)} is not known to this waggle, which writes ${VERSION}; update it`,
    );
  return new Field(key, '', value);
}

const ANY = /^.+$/s;
const NAME = /^[a-z0-9]+$/;

/** What both kinds begin with; the record must be the one that its key names. */
function headOf(
  id: ChainId,
  n: number,
  kind: RecordKind,
  fields: Record<'kind' | 'sink' | 'partition' | 'n' | 'name' | 'at' | 'home', Field>,
) {
  fields.kind.is(kind);
  fields.sink.is(id.sink);
  fields.partition.is(id.partition);
  fields.n.is(n);
  return { ...id, n, name: fields.name.text(NAME), at: fields.at.integer(0), home: fields.home.text(ANY) };
}

const HEAD = ['v', 'kind', 'sink', 'partition', 'n', 'name', 'at', 'home'] as const;

/** Throws RecordInvalid. */
export function decodeIntent(id: ChainId, n: number, key: string, bytes: Buffer): Intent {
  const fields = parse(key, bytes).members(...HEAD, 'objects', 'skipped');
  const objects = fields.objects.items().map((item) => {
    const object = item.members('key', 'count', 'sha256', 'numbers');
    return {
      key: object.key.text(ANY),
      count: object.count.integer(1),
      sha256: object.sha256.text(/^[0-9a-f]{64}$/),
      numbers: object.numbers.numbers(),
    };
  });
  return { kind: 'intent', ...headOf(id, n, 'intent', fields), objects, skipped: fields.skipped.numbers() };
}

/** Throws RecordInvalid. */
export function decodeCommit(id: ChainId, n: number, key: string, bytes: Buffer): Commit {
  const fields = parse(key, bytes).members(...HEAD, 'sealed', 'objects', 'adds', 'positions', 'snapshot');
  const objects = fields.objects.items().map((item) => {
    const object = item.members('key', 'count');
    return { key: object.key.text(ANY), count: object.count.integer(1) };
  });
  return {
    kind: 'commit',
    ...headOf(id, n, 'commit', fields),
    sealed: fields.sealed.boolean(),
    objects,
    adds: fields.adds.numbers(),
    positions: new Map(fields.positions.entries().map(([site, position]) => [site, decodePosition(position)])),
    snapshot: fields.snapshot.isNull ? null : decodeSnapshot(fields.snapshot),
  };
}

function decodePosition(field: Field): Position {
  const position = field.members('offset', 'identity', 'first');
  return {
    offset: BigInt(position.offset.text(/^(0|[1-9][0-9]*)$/)),
    identity: position.identity.text(ANY),
    first: position.first.integer(0),
  };
}

function decodeSnapshot(field: Field): Snapshot {
  const snapshot = field.members('floor', 'seen', 'earlier');
  const seen = snapshot.seen.entries().map(([identity, value]): [string, Seen] => {
    const entry = value.members('last', 'dead', 'numbers');
    return [identity, { last: entry.last.integer(0), dead: entry.dead.boolean(), numbers: entry.numbers.ranges() }];
  });
  const earlier = snapshot.earlier.items().map((item): Mark => {
    const mark = item.members('n', 'at');
    return { n: mark.n.integer(1), at: mark.at.integer(0) };
  });
  return { floor: snapshot.floor.integer(0), seen: new Map(seen), earlier };
}
