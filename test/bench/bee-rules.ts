// Bee's rules on one core, without HTTP: events of 12 fields and 330 bytes from bytes to verdicts, against a loop of JSON.parse, ajv.validate
// and JSON.stringify over the same events as strings; the same with 500 rule files beside; and what it takes to compile those.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { scanEvents } from '#core/json/scan.ts';
import { type RuleFile, RuleSetBuilder } from '../../bee/rule-set.ts';
import type { RuleSet } from '../../bee/verdict.ts';
import { amount, type Figure, figureOf, median } from './figure.ts';

const EVENTS = 2_000;
const EVENT_BYTES = 330;
const RULE_FILES = 500;

const rule = (type: string): string => `type: ${type}
about: What the benchmark sends.
fields:
  member_id: id!
  place_id: id!
  device_id: { type: id, form: uuid, required: true, sanitize: [lower] }
  method: { type: enum, values: [app, card, phone], required: true }
  points: { type: integer, min: 0, max: 10000 }
  visits: { type: integer, min: 0, max: 1000000 }
  at: timestamp!
  price: { type: decimal, scale: 2 }
  app_version: version!
  locale: locale
  first: { type: boolean, default: false }
  note: { type: text, max: 200, sanitize: [truncate] }
examples:
  accepted: [{ name: least, data: { member_id: m, place_id: p, device_id: 0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f, method: app, at: "2026-11-23T14:00:00Z", app_version: "4" }, result: { member_id: m, place_id: p, device_id: 0190a5c2-7d1e-7c3a-9f2b-3d5e8a1c4b6f, method: app, at: "2026-11-23T14:00:00Z", app_version: "4", first: false } }]
  rejected: [{ name: nothing, data: {}, code: field-missing }]
`;
const ruleFiles = (count: number): readonly RuleFile[] =>
  Array.from({ length: count }, (_, n) => ({
    path: `bench.n${n}.yaml`,
    name: `bench.n${n}`,
    text: rule(`bench.n${n}`),
  }));

async function compiled(count: number): Promise<RuleSet> {
  const built = await new RuleSetBuilder(null).build(ruleFiles(count));
  if (built.kind === 'invalid') throw new Error(built.problems.join('\n'));
  return built.set;
}

/** 330 bytes, each another. */
function eventText(n: number): string {
  const event = {
    type: 'bench.n0',
    data: {
      member_id: `m-${n}`,
      place_id: `p-${n % 97}`,
      device_id: `0190a5c2-7d1e-7c3a-9f2b-${(0x3d5e8a1c4b6f + n).toString(16)}`,
      method: (['app', 'card', 'phone'] as const)[n % 3],
      points: n % 100,
      visits: n,
      at: new Date(1_764_000_000_000 + n * 1000).toISOString(),
      price: `${n % 50}.25`,
      app_version: '4.12.0',
      locale: 'en-US',
      first: n % 2 === 0,
      note: '',
    },
  };
  event.data.note = 'x'.repeat(EVENT_BYTES - JSON.stringify(event).length);
  return JSON.stringify(event);
}

interface Work {
  readonly texts: readonly string[];
  readonly body: Buffer;
}

function judgeAll(set: RuleSet, { body }: Work): number {
  const scanned = scanEvents(body, 'lines');
  if (scanned.kind === 'refused') throw new Error(scanned.code);
  let bytes = 0;
  for (let i = 0; i < scanned.spans.length; i += 2) {
    const verdict = set.judge(body, scanned.spans[i] ?? 0, scanned.spans[i + 1] ?? 0);
    if (verdict.kind === 'rejected') throw new Error(`${verdict.code} ${verdict.pointer}`);
    bytes += verdict.data.length;
  }
  return bytes;
}

/** What anyone would write: the schema is that of the rule, whose formats mean nothing to the baseline. */
function bareLoop(schema: object): (work: Work) => number {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  const validate = ajv.compile(schema);
  return ({ texts }) => {
    let bytes = 0;
    for (const text of texts) {
      const event = JSON.parse(text) as { readonly data: unknown };
      if (!validate(event.data)) throw new Error(ajv.errorsText(validate.errors));
      bytes += JSON.stringify(event.data).length;
    }
    return bytes;
  };
}

/** Events in a second of processor time. */
function rateOf(loop: (work: Work) => number, work: Work, seconds: number): number {
  const before = process.cpuUsage();
  const until = performance.now() + seconds * 1000;
  let events = 0;
  for (; performance.now() < until; events += EVENTS) loop(work);
  const { user, system } = process.cpuUsage(before);
  return (events * 1e6) / (user + system);
}

export async function benchBeeRules(seconds: number, rounds: number): Promise<readonly Figure[]> {
  const times: number[] = [];
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const before = process.cpuUsage();
    await compiled(RULE_FILES);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  const [one, many] = [await compiled(1), await compiled(RULE_FILES)];
  const texts = Array.from({ length: EVENTS }, (_, n) => eventText(n));
  const work: Work = { texts, body: Buffer.from(`${texts.join('\n')}\n`) };
  const bare = bareLoop(one.rules[0]?.schema ?? {});
  const ours: number[] = [];
  const beside: number[] = [];
  const baseline: number[] = [];
  for (const loop of [judgeAll.bind(null, one), judgeAll.bind(null, many), bare]) rateOf(loop, work, seconds / 2);
  for (let round = 0; round < rounds; round++) {
    baseline.push(rateOf(bare, work, seconds));
    ours.push(rateOf((each) => judgeAll(one, each), work, seconds));
    beside.push(rateOf((each) => judgeAll(many, each), work, seconds));
  }
  const unit = 'events/s of one core';
  return [
    figureOf(
      {
        what: 'Bee: validate and sanitise',
        unit,
        target: { kind: 'ratio', atLeast: 0.5 },
        detail: `${amount(1e6 / median(ours))} µs an event`,
      },
      ours,
      baseline,
    ),
    figureOf(
      { what: `Bee: with ${RULE_FILES} rule files instead of one`, unit, target: { kind: 'beside' } },
      beside,
      ours,
    ),
    figureOf(
      { what: `Bee: compile ${RULE_FILES} rule files`, unit: 'ms of CPU', target: { kind: 'below', value: 2_000 } },
      times,
      null,
    ),
  ];
}
