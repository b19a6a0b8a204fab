// From a body to its answer: framed, judged event by event, told apart into lines for the agent and letters, handed over, and only then answered.
// One bad event does not spoil its neighbours. Letters go first: where the agent takes none, nothing at all was done. Who retries: the sender, on
// 503 and on a verdict `retry`; what it sends again within a while is told its first verdict.
import type { BeeConfig } from '#core/config/bee-config.ts';
import type { Level } from '#core/config/config.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { decodeString, scanMembers } from '#core/json/members.ts';
import { scanEvents, type Framing, type Scanned } from '#core/json/scan.ts';
import type { UuidGenerator } from '#core/uuid.ts';
import { rejection, rejectionCodes } from '../codes.ts';
import type { Accepted, Rejected, RuleSet } from '../verdict.ts';
import type { BeeAgent, Handed, LineError } from './agent.ts';
import {
  acceptedMembers,
  answerRefused,
  answerVerdicts,
  changesMember,
  rejectedMembers,
  retryMembers,
  ruleMembers,
  type Answer,
  type Reason,
} from './answer.ts';
import type { BeeCounts } from './counts.ts';
import type { FirstVerdicts, Told } from './first-verdicts.ts';
import type { Sender } from './keys.ts';
import { eventLine, letterLine, type Receiving } from './line.ts';
import type { Asked } from './request.ts';

export interface JudgingOptions {
  readonly limits: Pick<BeeConfig, 'maxBody' | 'maxEvent' | 'maxEvents'>;
  /** The set of this moment. */
  readonly rules: () => RuleSet;
  readonly agent: Pick<BeeAgent, 'events' | 'letters'>;
  readonly remembered: FirstVerdicts;
  readonly counts: BeeCounts;
  readonly ids: UuidGenerator;
  /** The agent refuses what rules accepted: a bug, or limits that do not fit. */
  readonly refusedByAgent: (code: string, message: string) => void;
}

export interface Posted {
  /** The body is the caller's own: line breaks between its tokens become blanks. */
  readonly body: Buffer;
  readonly asked: Asked;
  readonly sender: Sender;
  readonly receiving: Receiving;
}

const DEPTH = 32;
const OPEN_ARRAY = 0x5b;
const QUOTE = 0x22;
const BLANKS = new Set([0x20, 0x09, 0x0a, 0x0d]);

export class Judging {
  readonly #options: JudgingOptions;

  constructor(options: JudgingOptions) {
    this.#options = options;
  }

  /** Resolves always. */
  async answer(posted: Posted): Promise<Answer> {
    const { body, asked } = posted;
    const framing = asked.framing ?? framingOf(body);
    const scanned = scanEvents(body, framing, { depth: DEPTH, events: this.#options.limits.maxEvents });
    if (scanned.kind === 'refused') return answerRefused(scanned, 0);
    const request = new Request(this.#options, posted, scanned);
    const broken = request.judge();
    if (broken !== null) return answerVerdicts(request.verdicts, request.tally, asked.level, null, broken);
    return request.handOver();
  }
}

function framingOf(body: Buffer): Framing {
  let at = 0;
  while (at < body.length && BLANKS.has(body[at] ?? 0)) at++;
  return body[at] === OPEN_ARRAY ? 'array' : 'lines';
}

/** One request while it is judged and handed over. */
class Request {
  readonly #options: JudgingOptions;
  readonly #posted: Posted;
  readonly #scanned: Scanned;
  readonly #set: RuleSet;
  /** Null where the events say it. */
  readonly #sourceJson: string | null;
  /** By index, members of JSON; those of lines stand under the condition that the agent takes them. */
  readonly verdicts: string[] = [];
  readonly tally = { accepted: 0, rejected: 0, retry: 0 };
  #lines = '';
  #letters = '';
  /** For each line: its event (-1: the agent refused it), and its rule. */
  readonly #lineEvents: number[] = [];
  readonly #lineRules: string[] = [];
  /** What is told again of accepted events, by name of the rule. */
  readonly #accepted = new Map<string, Told>();
  readonly #rejected: Told[] = [];
  /** Where the same event is on its way already, here or in another request: to be looked up afterwards. */
  readonly #waiting: { readonly index: number; readonly id: string; readonly told: Told }[] = [];
  #release: () => void = () => {};
  readonly #done = new Promise<void>((resolve) => (this.#release = resolve));

  constructor(options: JudgingOptions, posted: Posted, scanned: Scanned) {
    this.#options = options;
    this.#posted = posted;
    this.#scanned = scanned;
    this.#set = options.rules();
    const { source } = posted.sender;
    this.#sourceJson = source === null ? null : JSON.stringify(source);
  }

  /** Null, or why no event of it is one: then nothing was done. */
  judge(): Refusal | null {
    const { spans, faults } = this.#scanned;
    const { maxEvent, maxBody } = this.#options.limits;
    const { body, sender } = this.#posted;
    // A letter's line is longer than what its sender sent.
    const longest = sender.source === null ? maxBody : maxEvent;
    const broken: Refusal[] = [];
    for (let i = 0; i < spans.length; i += 2) {
      const start = spans[i] as number; // two spans for each event
      const end = spans[i + 1] as number;
      const fault = faults.get(i / 2) ?? (end - start > longest ? refusal('event-too-large', '', longest) : null);
      if (fault !== null) {
        broken.push(fault);
        const reason = rejection(fault.code, fault.pointer);
        this.#reject(
          i / 2,
          unread,
          { ...reason, message: fault.message },
          body.subarray(start, end),
          sender.source ?? '',
        );
        continue;
      }
      const verdict = this.#set.judge(body, start, end);
      const source = sender.source ?? sourceOf(body, start, end);
      if (verdict.kind === 'rejected') this.#repeatOrReject(i / 2, verdict, verdict, body.subarray(start, end), source);
      else if (sender.allows(verdict.type)) this.#accept(i / 2, verdict, source);
      else
        this.#repeatOrReject(
          i / 2,
          forbidden(verdict),
          rejection('type-forbidden', '/type'),
          body.subarray(start, end),
          source,
        );
    }
    const [first] = broken;
    return first !== undefined && broken.length === spans.length / 2 ? first : null;
  }

  async handOver(): Promise<Answer> {
    const { level } = this.#posted.asked;
    let reached: Level | null = null;
    try {
      if (this.#letters !== '') {
        const handed = await this.#options.agent.letters(this.#letters, level);
        if (handed.kind === 'unavailable') return this.#unavailable(handed);
        for (const told of this.#rejected) told.state = 'told';
      }
      if (this.#lines !== '') {
        const handed = await this.#options.agent.events(this.#lines, level);
        if (handed.kind === 'unavailable') return this.#unavailable(handed);
        for (const error of handed.errors) this.#refusedByAgent(error);
        this.#settle();
        reached = handed.level;
      }
    } finally {
      for (const told of this.#accepted.values()) if (told.state === 'pending') told.state = 'void';
      for (const told of this.#rejected) if (told.state === 'pending') told.state = 'void';
      this.#release();
    }
    await this.#others();
    if (this.tally.accepted > 0) reached ??= level;
    return answerVerdicts(this.verdicts, this.tally, level, reached, null);
  }

  #accept(index: number, verdict: Accepted, source: string): void {
    const { asked, receiving } = this.#posted;
    if (verdict.id !== null && this.#repeated(index, source, verdict.id)) return;
    const id = verdict.id ?? this.#options.ids.next();
    const idJson = JSON.stringify(id);
    const told = this.#toldOf(verdict);
    const text = acceptedMembers(idJson, told.text);
    this.verdicts[index] = asked.changes ? text + changesMember(verdict.changes) : text;
    this.#lines += eventLine(verdict, idJson, this.#sourceJson ?? JSON.stringify(source), receiving);
    this.#lineEvents.push(index);
    this.#lineRules.push(verdict.rule);
    if (verdict.id !== null) this.#options.remembered.put(source, id, told);
  }

  #toldOf({ rule, version }: Accepted): Told {
    let told = this.#accepted.get(rule);
    if (told === undefined) this.#accepted.set(rule, (told = this.#told('accepted', ruleMembers(rule, version))));
    return told;
  }

  #told(kind: Told['kind'], text: string): Told {
    const { received } = this.#posted.receiving;
    return { at: received, kind, text, rules: this.#set.fingerprint, state: 'pending', settled: this.#done };
  }

  #repeatOrReject(index: number, verdict: Rejected, reason: Reason, bytes: Buffer, source: string): void {
    if (verdict.id !== null && this.#repeated(index, source, verdict.id)) return;
    this.#reject(index, verdict, reason, bytes, source);
    if (verdict.id === null) return;
    const told = this.#told('rejected', this.verdicts[index] ?? '');
    this.#rejected.push(told);
    this.#options.remembered.put(source, verdict.id, told);
  }

  #reject(index: number, verdict: Rejected, reason: Reason, bytes: Buffer, source: string): void {
    const { receiving, sender } = this.#posted;
    this.verdicts[index] = rejectedMembers(reason, verdict.id, ruleMembers(verdict.rule, verdict.version));
    this.#letters += letterLine(verdict, reason, bytes, source, receiving);
    this.tally.rejected++;
    this.#options.counts.add(sender.name, verdict.rule, reason.code, 1);
  }

  /** Whether this event had its verdict already, or is about to have it, here or in another request. */
  #repeated(index: number, source: string, id: string): boolean {
    const told = this.#options.remembered.find(source, id, this.#posted.receiving.received);
    if (told === null) return false;
    // Rejected by other rules, or mended by hand meanwhile: judged anew.
    const isStale = told.rules !== this.#set.fingerprint || this.#posted.sender.source === null;
    if (told.kind === 'rejected' && isStale) return false;
    if (told.state === 'pending') this.#waiting.push({ index, id, told });
    else this.#tellAgain(index, id, told);
    return true;
  }

  #tellAgain(index: number, id: string, { kind, text }: Told): void {
    this.verdicts[index] = kind === 'accepted' ? acceptedMembers(JSON.stringify(id), text) : text;
    this.tally[kind]++;
    this.#options.counts.add(this.#posted.sender.name, null, 'repeated', 1);
  }

  #unavailable({ retryAfter }: Extract<Handed, { kind: 'unavailable' }>): Answer {
    return answerRefused(refusal('agent-unavailable'), retryAfter);
  }

  #refusedByAgent({ index, code, message, retry }: LineError): void {
    const event = this.#lineEvents[index];
    if (event === undefined) return;
    this.#options.refusedByAgent(code, message);
    this.#lineEvents[index] = -1;
    const rule = this.#lineRules[index] ?? null;
    const known = rejectionCodes.find((each) => each === code) ?? 'event-too-large';
    this.verdicts[event] = retry
      ? retryMembers(refusal('agent-unavailable'), null)
      : rejectedMembers({ code: known, pointer: '', message }, null, ruleMembers(rule, null));
    this.tally[retry ? 'retry' : 'rejected']++;
    this.#options.counts.add(this.#posted.sender.name, rule, retry ? 'retry' : known, 1);
    // What the rule has in common is not told of any of them: a repeat is judged, and sent, once more.
    const told = rule === null ? undefined : this.#accepted.get(rule);
    if (told !== undefined) told.state = 'void';
  }

  /** What the agent has is accepted, counted, and told again. */
  #settle(): void {
    const events = new Map<string, number>();
    for (let line = 0; line < this.#lineEvents.length; line++) {
      const rule = this.#lineRules[line] as string; // one for each line
      if ((this.#lineEvents[line] as number) >= 0) events.set(rule, (events.get(rule) ?? 0) + 1);
    }
    for (const [rule, count] of events) {
      this.tally.accepted += count;
      this.#options.counts.add(this.#posted.sender.name, rule, 'accepted', count);
    }
    for (const told of this.#accepted.values()) if (told.state === 'pending') told.state = 'told';
  }

  /** Own events are settled by now, so two requests never wait for each other. */
  async #others(): Promise<void> {
    for (const { index, id, told } of this.#waiting) {
      await told.settled;
      if (told.state === 'told') {
        this.#tellAgain(index, id, told);
        continue;
      }
      this.verdicts[index] = retryMembers(refusal('agent-unavailable'), id);
      this.tally.retry++;
    }
  }
}

const unread: Rejected = {
  kind: 'rejected',
  code: 'json-malformed',
  pointer: '',
  message: '',
  retry: false,
  rule: null,
  version: null,
  type: null,
  id: null,
  time: null,
  copy: null,
};

/** Its data is clean already, so the copy is what was accepted. */
function forbidden({ type, rule, version, id, time, data }: Accepted): Rejected {
  const { code, pointer, message, retry } = rejection('type-forbidden', '/type');
  return { kind: 'rejected', code, pointer, message, retry, rule, version, type, id, time, copy: `{"data":${data}}` };
}

/** Of an event that an operator replays. */
function sourceOf(body: Buffer, start: number, end: number): string {
  const { names, spans } = scanMembers(body, start, end);
  const at = names.indexOf('source');
  const [from, to] = [spans[3 * at + 1] ?? -1, spans[3 * at + 2] ?? -1];
  return at >= 0 && body[from] === QUOTE ? decodeString(body, from, to) : '/bee/replay';
}
