// The dead letter of one event, or of one message, that a queue sink's target will never have.
import { letterId, type DeadLetter, type DeadReason } from '#core/dead-letter.ts';
import { hash } from 'node:crypto';
import { SinkEvent } from './sink-event.ts';

/** Where a letter comes from: the sink, and the site of its queue. */
export interface Origin {
  readonly sink: string;
  readonly site: string;
}

export interface Verdict {
  readonly reason: DeadReason;
  /** The target's own word, or ours: no-batch, no-event, too-large, encode-failed. */
  readonly code: string;
  readonly message: string;
  /** Milliseconds since the epoch: when it was first tried, and when it was refused for good. */
  readonly first: number;
  readonly last: number;
  /** Requests that held it; 1 where it was refused before it was sent. */
  readonly attempts: number;
}

/** `line`: as it stands in the queue, before any mapping, so that a replay maps it anew. */
export function eventLetter(origin: Origin, line: Buffer, verdict: Verdict): DeadLetter {
  const event = SinkEvent.read(line);
  if (event === null) return messageLetter(origin, line, verdict);
  const { type, id, source } = event;
  const letter = letterId(origin.sink, [source, id]);
  return { ...origin, ...verdict, letter, content: 'event', event: { type, id, source }, position: null, body: line };
}

export function messageLetter(origin: Origin, body: Buffer, verdict: Verdict): DeadLetter {
  const letter = letterId(origin.sink, [hash('sha256', body)]);
  return { ...origin, ...verdict, letter, content: 'message', event: null, position: null, body };
}
