// An event as a queue sink gets it, for tests of what sinks make of it.
import { SinkEvent } from '../../../consumers/queue/sink-event.ts';

/** `data`: its JSON; null for none. `more`: members; undefined for none of that name. */
export function eventOf(data: string | null, more: Readonly<Record<string, unknown>> = {}): SinkEvent {
  const members = {
    specversion: '1.0',
    type: 'checkin.visit',
    receivedat: '2026-11-23T14:00:00.125Z',
    time: '2026-11-23T13:59:59.5Z',
    id: 'e-1',
    source: '/chicago/api-1/http',
    host: 'api-1',
    site: 'chicago',
    ...more,
  };
  const head = JSON.stringify(members).slice(0, -1);
  const event = SinkEvent.read(Buffer.from(data === null ? `${head}}` : `${head},"data":${data}}`));
  if (event === null) throw new Error('no event');
  return event;
}
