// Runs the examples of a rule: what must be accepted, with its result, and what must be rejected, with its code.
import { sanitise } from '../judge.ts';
import { parseStrict } from '../strict-json.ts';
import { scanEvents } from '#core/json/scan.ts';
import { type Rejection, rejection } from '../codes.ts';
import { Run } from './clean.ts';
import type { CompiledRule } from './compile.ts';
import type { Example, Json } from './model.ts';

/** Stands in a result for any hash: the key is not in the rule file. */
const ANY_HASH = '(hash)';
const HASHED = /^hmac:[A-Za-z0-9_-]{32}$/;

/** Null where the example holds; else what differs, in a sentence. Examples are the author's own, so their values may be told. */
export function exampleFault(compiled: CompiledRule, example: Example): string | null {
  const answer = judgeData(compiled, example.data);
  if (example.kind === 'rejected') {
    if (typeof answer === 'string') return `is accepted, and should be rejected with ${example.code}`;
    const pointer = example.pointer ?? answer.pointer;
    return answer.code === example.code && answer.pointer === pointer
      ? null
      : `is rejected with ${answer.code} at ${answer.pointer}, and should be with ${example.code} at ${pointer}`;
  }
  if (typeof answer !== 'string') return `is rejected with ${answer.code} at ${answer.pointer}: ${answer.message}`;
  const result = JSON.parse(answer) as Json;
  const place = difference(result, example.result, '');
  return place === null ? null : `differs from its result at ${place === '' ? 'the top' : place}: ${answer}`;
}

/** Data as JSON text through one rule: its result, or why there is none. */
export function judgeData(compiled: CompiledRule, data: string): string | Rejection {
  const buf = Buffer.from(data);
  const scanned = scanEvents(buf, 'value');
  const refused = scanned.kind === 'refused' ? scanned : scanned.faults.get(0);
  if (refused !== undefined) return rejection(refused.code, `/data${refused.pointer}`);
  const parsed = parseStrict(buf, 0, buf.length);
  if (parsed.kind === 'rejection') return { ...parsed, pointer: `/data${parsed.pointer}` };
  const { value } = parsed;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return rejection('data-not-object', '/data');
  return sanitise(compiled, value as Record<string, unknown>, new Run());
}

const isObject = (value: Json | undefined): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The pointer of the first place where two values differ, or null. `wanted` may say ANY_HASH. */
export function difference(value: Json | undefined, wanted: Json | undefined, pointer: string): string | null {
  if (Array.isArray(value) && Array.isArray(wanted)) {
    if (value.length !== wanted.length) return pointer;
    return first(value.map((item, index) => difference(item as Json, wanted[index] as Json, `${pointer}/${index}`)));
  }
  if (isObject(value) && isObject(wanted)) {
    const names = new Set([...Object.keys(value), ...Object.keys(wanted)]);
    return first([...names].map((name) => difference(value[name], wanted[name], `${pointer}/${name}`)));
  }
  if (wanted === ANY_HASH && typeof value === 'string' && HASHED.test(value)) return null;
  return value === wanted ? null : pointer;
}

const first = (places: readonly (string | null)[]): string | null => places.find((place) => place !== null) ?? null;
