// `waggle dead list | show | replay | discard`, as its data flows: the dead-letter streams of the sites -> letters -> a plan -> their sinks,
// and resolutions back into the streams.
import { randomFillSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Config } from '#core/config/config.ts';
import type { StoredLetter } from '#core/dead-letter.ts';
import { connectAmqp } from '#core/io/amqp.ts';
import { uuidv7 } from '#core/uuid.ts';
import type { Output } from '../operator-command.ts';
import { operatorAccess, operatorLink } from '../operator.ts';
import { Pace } from '../replay/pace.ts';
import { agentDelivery, beeDelivery, queueDelivery, type Delivery } from './deliver.ts';
import { queryFilter, type Letter, type LetterQuery } from './letters.ts';
import { mendEvent } from './mend.ts';
import { letterCount, planReplay, planText, type ReplayPlan, type Target } from './plan.ts';
import { readLetters, readRecords, type PlacedRecord } from './read.ts';
import { replayLetters, resolveLetters, type Resolver } from './resolve.ts';
import { historyText, lettersTable, letterJson, SHORT_ID, summary, summaryText } from './texts.ts';

export interface DeadReplayOptions {
  /** Without it only the plan is printed. */
  readonly yes: boolean;
  /** Events a second. */
  readonly rate: number;
  /** A file with the mended event, for one letter. */
  readonly event: string | null;
}

interface Found {
  readonly letters: readonly Letter[];
  /** 1 where a site did not answer: what lies there is not in `letters`. */
  readonly code: 0 | 1;
}

/** Every site's letters; `site` null: of all sites. */
async function findLetters(config: Config, query: LetterQuery, site: string | null, output: Output): Promise<Found> {
  const letters: Letter[] = [];
  let code: Found['code'] = 0;
  const filter = queryFilter(query);
  for (const name of site === null ? config.sites.map((each) => each.name) : [site]) {
    try {
      for (const letter of await readLetters(operatorAccess(config, name), filter)) letters.push(letter);
    } catch (error) {
      output.tell(`${messageOf(error)}\n`);
      code = 1;
    }
  }
  return { letters: letters.toSorted((a, b) => a.last - b.last), code };
}

export async function listDead(
  config: Config,
  query: LetterQuery,
  site: string | null,
  json: boolean,
  output: Output,
): Promise<number> {
  const { letters, code } = await findLetters(config, query, site, output);
  if (json) for (const letter of letters) output.print(`${letterJson(letter)}\n`);
  else {
    for (const line of lettersTable(letters)) output.print(line);
    output.print(`${letters.length === 0 ? '' : '\n'}${summaryText(summary(letters))}`);
  }
  return code;
}

/** `bodyOnly`: the bytes of the body and nothing else, to be mended in an editor. */
export async function showDead(
  config: Config,
  query: LetterQuery,
  site: string | null,
  bodyOnly: boolean,
  output: Output,
): Promise<number> {
  const { letters, code } = await findLetters(config, query, site, output);
  const [letter, other] = letters;
  if (letter === undefined || other !== undefined) {
    output.tell(
      letter === undefined
        ? `there is no letter ${query.ids.join(' ')}${code === 0 ? '' : ' at the sites that answer'}\n`
        : severalText(letters),
    );
    return 1;
  }
  const records: PlacedRecord[] = [];
  let last: StoredLetter | null = null;
  for await (const { record, offset } of readRecords(operatorAccess(config, letter.lies))) {
    if (record.letter !== letter.id) continue;
    if (record.kind === 'letter') last = record;
    records.push({ record: record.kind === 'letter' ? { ...record, body: Buffer.alloc(0) } : record, offset });
  }
  if (last === null) throw new Error('retention has deleted the letter meanwhile');
  if (!bodyOnly) output.print(`${historyText(letter, records, last)}body\n`);
  output.print(last.body);
  if (last.body.at(-1) !== LF) output.print('\n');
  return code;
}

export async function replayDead(
  config: Config,
  query: LetterQuery,
  site: string | null,
  options: DeadReplayOptions,
  output: Output,
): Promise<number> {
  const { letters, code } = await findLetters(config, query, site, output);
  const plan = planReplay(letters, config);
  const mended = options.event === null ? null : await readFile(options.event);
  if (mended !== null && (plan.parts.length !== 1 || plan.parts[0]?.letters.length !== 1)) {
    output.print(planText(plan));
    output.tell('--event goes with one letter that can be replayed: name it by its id\n');
    return 1;
  }
  if (mended !== null) {
    const fault = await mendingFault(config, plan, mended);
    if (fault !== null) {
      output.tell(`${options.event}: ${fault}\n`);
      return 1;
    }
  }
  output.print(planText(plan));
  if (plan.parts.length === 0) return code;
  if (!options.yes) {
    output.print('nothing was done; add --yes to do it\n');
    return code;
  }
  const failures = await replayParts(config, plan, options, mended, output);
  return failures > 0 ? 1 : code;
}

export async function discardDead(
  config: Config,
  query: LetterQuery,
  site: string | null,
  yes: boolean,
  output: Output,
): Promise<number> {
  const { letters, code } = await findLetters(config, { ...query, state: 'open' }, site, output);
  output.print(
    `${letterCount(letters)} to discard: they stay in the dead letters, as resolved, and are not replayed any more\n`,
  );
  if (letters.length > 0 && !yes) output.print('nothing was done; add --yes to do it\n');
  if (!yes) return code;
  for (const [lies, there] of bySite(letters)) {
    await using resolver = await openResolver(config, lies);
    await resolveLetters(resolver, there, 'discarded', 'discarded by an operator');
  }
  output.print(`${letterCount(letters)} discarded\n`);
  return code;
}

/** Answers how many letters could not be replayed. */
async function replayParts(
  config: Config,
  plan: ReplayPlan,
  { rate }: DeadReplayOptions,
  mended: Buffer | null,
  output: Output,
): Promise<number> {
  const pace = new Pace(rate);
  let failures = 0;
  for (const { target, letters } of plan.parts) {
    await using delivery = await openDelivery(config, target, pace);
    let before = 0;
    for (const [lies, there] of bySite(letters)) {
      await using resolver = await openResolver(config, lies);
      const told = `${mended === null ? '' : 'mended, '}${wayTold(target)}`;
      const body = (found: StoredLetter): Buffer => (mended === null ? found.body : mendedLine(found.body, mended));
      const { done, failed } = await replayLetters(resolver, there, delivery, body, told, (count) =>
        output.tell(`${target.sink}: ${before + count} of ${letterCount(letters)} replayed\n`),
      );
      before += done;
      failures += failed.size;
      for (const [{ id }, why] of failed) output.tell(`${id.slice(0, SHORT_ID)}: not replayed: ${why}\n`);
    }
    output.print(`${target.sink}: ${before} of ${letterCount(letters)} replayed\n`);
  }
  return failures;
}

function wayTold(target: Target): string {
  switch (target.kind) {
    case 'queue':
      return `to the queue at ${target.home}`;
    case 'agent':
      return 'to the agent, as a new event';
    case 'bee':
      return 'through Bee again';
    default:
      return target satisfies never;
  }
}

/** What keeps the mended event from being delivered; null where nothing does. */
async function mendingFault(config: Config, plan: ReplayPlan, json: Buffer): Promise<string | null> {
  const letter = plan.parts[0]?.letters[0];
  if (letter === undefined) return 'no letter to mend';
  if (letter.content !== 'event') return 'the letter holds several events; one alone can be mended';
  for await (const { record, offset } of readRecords(operatorAccess(config, letter.lies), letter.offset)) {
    if (offset !== letter.offset || record.kind !== 'letter') break;
    const mended = mendEvent(record.body, json);
    return mended.kind === 'unfit' ? mended.message : null;
  }
  return 'retention has deleted the letter meanwhile';
}

function mendedLine(body: Buffer, json: Buffer): Buffer {
  const mended = mendEvent(body, json);
  if (mended.kind === 'unfit') throw new Error(mended.message);
  return mended.line;
}

async function openDelivery(config: Config, target: Target, pace: Pace): Promise<Delivery> {
  if (target.kind === 'agent') return agentDelivery(target.listen, config.agent.inputs.http?.maxBody ?? 0, pace);
  if (target.kind === 'bee') return beeDelivery(target.bee, pace);
  const identity = uuidv7(Date.now(), randomFillSync(new Uint8Array(16)));
  return queueDelivery(operatorLink(config, target.home, `replay for ${target.sink}`), target.sink, identity, pace);
}

async function openResolver(config: Config, lies: string): Promise<Resolver & AsyncDisposable> {
  const connection = await connectAmqp(operatorLink(config, lies, 'dead letters'));
  return {
    access: operatorAccess(config, lies),
    connection,
    now: Date.now,
    [Symbol.asyncDispose]: () => connection.close().catch(() => {}), // lost already
  };
}

function bySite(letters: readonly Letter[]): Map<string, Letter[]> {
  return Map.groupBy(letters, ({ lies }) => lies);
}

function severalText(letters: readonly Letter[]): string {
  const each = letters.slice(0, 10).map(({ id, lies }) => `  ${id} at ${lies}\n`);
  return `several letters have this id; give more of its digits, or --site:\n${each.join('')}`;
}

const LF = 0x0a;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
