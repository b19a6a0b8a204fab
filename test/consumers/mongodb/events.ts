// Events as a queue sink gets them.
import { SinkEvent } from '../../../consumers/queue/sink-event.ts';

/** `data`: JSON as it is to stand in the line; `more`: further members, as JSON after a comma. */
export function eventOf(id: string, data: string, more = ''): SinkEvent {
  const line =
    `{"specversion":"1.0","id":${JSON.stringify(id)},"source":"/chicago/web-1/http","type":"checkin.visit",` +
    `"time":"2026-11-23T17:00:00.123Z","receivedat":"2026-11-23T17:00:00.456Z","host":"web-1"${more},"data":${data}}`;
  const event = SinkEvent.read(Buffer.from(line));
  if (event === null) throw new Error(`no event: ${line}`);
  return event;
}
