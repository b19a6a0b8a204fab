// One event's bytes to its verdict: parsed strictly, its envelope read, its data sanitised into a new object, validated, hidden where asked.
import { UNFIT } from '#core/event.ts';
import { parseTime } from '#core/time.ts';
import { type Rejection, rejection } from './codes.ts';
import { Run } from './rule/clean.ts';
import type { CompiledRule } from './rule/compile.ts';
import { isPlaceholder } from './rule/formats.ts';
import type { Hide } from './rule/protect.ts';
import { parseRuleName, ruleName } from './rule/read.ts';
import { redacted } from './rule/redact.ts';
import { parseStrict } from './strict-json.ts';
import type { Accepted, Rejected, Verdict } from './verdict.ts';

type Values = Readonly<Record<string, unknown>>;

/** The rules of a type by version. */
export type Versions = ReadonlyMap<number, CompiledRule>;

/** What an envelope says, as far as it could be read. */
interface Envelope {
  type: string | null;
  id: string | null;
  time: string | null;
  data: Values | null;
  fault: Rejection | null;
}

const MAX_ID = 256;

export interface Judged {
  readonly verdict: Verdict;
  /** The data as sent and the rule that judged them; null where it did not come to that. */
  readonly data: Values | null;
  readonly compiled: CompiledRule | null;
}

export class Judge {
  /** A Map, so that a type may be called `constructor`. */
  readonly #types: ReadonlyMap<string, Versions>;
  readonly #hash: Hide | null;
  /** Rules by the name as it was sent, which spares taking names apart. */
  readonly #byName: ReadonlyMap<string, CompiledRule>;

  constructor(types: ReadonlyMap<string, Versions>, hash: Hide | null) {
    this.#types = types;
    this.#hash = hash;
    this.#byName = new Map(
      [...types].flatMap(([type, versions]) =>
        [...versions].flatMap(([version, compiled]) => [
          [ruleName(type, version), compiled] as const,
          [`${type}@${version}`, compiled] as const,
        ]),
      ),
    );
  }

  /** See RuleSet.judge. */
  judge(buf: Buffer, start: number, end: number): Judged {
    const parsed = parseStrict(buf, start, end);
    if (parsed.kind === 'rejection') return this.#rejected(parsed, NOBODY, null, null);
    const { value } = parsed;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.#rejected(rejection('event-not-object', ''), NOBODY, null, value);
    const event = value as Values;
    const run = new Run();
    const envelope = readEnvelope(event, run);
    const { type } = event;
    const compiled = typeof type === 'string' ? this.#byName.get(type) : undefined;
    if (compiled === undefined) return this.#rejected(this.#typeFault(type, envelope), envelope, null, value);
    envelope.type = compiled.rule.type;
    if (envelope.fault !== null || envelope.data === null)
      return this.#rejected(envelope.fault ?? rejection('data-missing', '/data'), envelope, compiled, value);
    const answer = sanitise(compiled, envelope.data, run);
    if (typeof answer !== 'string') return this.#rejected(answer, envelope, compiled, value);
    const verdict: Accepted = {
      kind: 'accepted',
      type: compiled.rule.type,
      rule: compiled.rule.name,
      version: compiled.rule.version,
      id: envelope.id,
      time: envelope.time,
      data: answer,
      changes: run.changes,
    };
    return { verdict, data: envelope.data, compiled };
  }

  /** Why no rule answers for this type; where it is a type, the envelope gets it. */
  #typeFault(type: unknown, envelope: Envelope): Rejection {
    if (type === undefined || type === null) return rejection('type-missing', '/type');
    const named = typeof type === 'string' ? parseRuleName(type) : null;
    if (named === null) return rejection('type-invalid', '/type');
    envelope.type = named.type;
    const versions = this.#types.get(named.type);
    if (versions === undefined) return rejection('type-unknown', '/type');
    return rejection('version-unknown', '/type', [...versions.keys()].join(', '));
  }

  #rejected(
    { code, pointer, message }: Rejection,
    envelope: Envelope,
    compiled: CompiledRule | null,
    event: unknown,
  ): Judged {
    const verdict: Rejected = {
      kind: 'rejected',
      code,
      pointer,
      message,
      retry: false,
      rule: compiled?.rule.name ?? null,
      version: compiled?.rule.version ?? null,
      type: envelope.type,
      id: envelope.id,
      time: envelope.time,
      copy: event === null && envelope === NOBODY ? null : redacted(event, compiled?.rule.fields ?? null, this.#hash),
    };
    return { verdict, data: envelope.data, compiled };
  }
}

const NOBODY: Envelope = { type: null, id: null, time: null, data: null, fault: null };

/** Sanitised data as JSON text, or why there are none. Also run by shadows and examples. */
export function sanitise(compiled: CompiledRule, data: Values, run: Run): string | Rejection {
  const clean = compiled.clean(data, run);
  const fault = run.fault ?? compiled.fault(clean);
  if (fault !== null) return fault;
  return JSON.stringify(compiled.protect === null ? clean : compiled.protect(clean, run));
}

/** All but the type. */
function readEnvelope(event: Values, run: Run): Envelope {
  const { id, time, specversion, data } = event;
  const envelope: Envelope = { type: null, id: null, time: null, data: null, fault: null };
  for (const name in event) if (!isOwnMember(name)) noteForeign(name, run);
  if (data === undefined || data === null) envelope.fault = rejection('data-missing', '/data');
  else if (typeof data !== 'object' || Array.isArray(data)) envelope.fault = rejection('data-not-object', '/data');
  else envelope.data = data as Values;
  if (time !== undefined && time !== null) {
    if (typeof time === 'string' && parseTime(time) !== null) envelope.time = time;
    else envelope.fault = rejection('time-invalid', '/time');
  }
  if (id !== undefined && id !== null) {
    const wrong = idFault(id);
    if (wrong === null) envelope.id = id as string;
    else envelope.fault = wrong;
  }
  if (specversion !== undefined && specversion !== null && specversion !== '1.0')
    envelope.fault = rejection('specversion-invalid', '/specversion');
  return envelope;
}

const isOwnMember = (name: string): boolean =>
  name === 'type' || name === 'data' || name === 'id' || name === 'time' || name === 'specversion';

function noteForeign(name: string, run: Run): void {
  const outside = run.at;
  run.at = '';
  run.note(name, 'drop', 'no member of an event here');
  run.at = outside;
}

function idFault(id: unknown): Rejection | null {
  if (typeof id !== 'string' || id === '' || UNFIT.test(id)) return rejection('id-invalid', '/id');
  if (id.length > MAX_ID) return rejection('text-too-long', '/id', MAX_ID);
  return isPlaceholder(id) ? rejection('value-placeholder', '/id') : null;
}
