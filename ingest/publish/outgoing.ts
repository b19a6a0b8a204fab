// What is published for a batch: where, and with which properties. Pure.
import type { Options } from 'amqplib';
import { type Batch, encodeBatch } from '#core/batch.ts';
import { readRecordLine } from '#core/dead-letter.ts';
import { EVENTS, EVENTS_DEAD, EVENTS_MIRROR } from '#topology/names.ts';

export interface Outgoing {
  readonly exchange: string;
  readonly routingKey: string;
  readonly body: Buffer;
  readonly options: Options.Publish;
}

/** Events, for the log and the sinks; federation copies them to the other sites. */
export function outgoingEvents(batch: Batch): Outgoing {
  return eventsTo(EVENTS, batch);
}

/** Events that the agent itself takes to each site. */
export function outgoingMirrored(batch: Batch): Outgoing {
  return eventsTo(EVENTS_MIRROR, batch);
}

function eventsTo(exchange: string, batch: Batch): Outgoing {
  const { routingKey, body, headers, contentType, appId, messageId } = encodeBatch(batch, 'identity');
  const options = { persistent: true, mandatory: true, headers, contentType, appId, messageId };
  return { exchange, routingKey, body, options };
}

/** A dead letter: the batch is one line (core/dead-letter.ts, `recordLine`). What is none is shown as a letter of nobody. */
export function outgoingLetter({ body, identity, ranges }: Batch): Outgoing {
  const record = readRecordLine(body);
  const options = {
    persistent: true,
    mandatory: true,
    headers: record?.headers ?? {},
    contentType: 'application/octet-stream',
    appId: 'waggle',
    messageId: `${identity}:${ranges[0]?.[0] ?? 0}`,
  };
  return { exchange: EVENTS_DEAD, routingKey: '', body: record?.body ?? body, options };
}
