// The schema of an agent's inputs: an entry for each, with its fields and defaults.
import { object, oneOf, size, text, type JsonSchema } from './schema-parts.ts';

const listen = (byDefault: string): JsonSchema => text('address', 'Where to listen.', { default: byDefault });
const level = (byDefault: string, more = ''): JsonSchema =>
  oneOf(`Where an event must be before the sender is answered${more}.`, ['memory', 'disk', 'site'], byDefault);
// Its line is longer by what the agent adds, and a site takes no message beyond 16 MiB.
const maxEvent = size('Largest single event.', '1MiB', '1KiB', '15MiB');

const http = object('Events over HTTP.', {
  listen: listen('127.0.0.1:9880'),
  level: level('disk', ', unless the request says'),
  max_body: size('Largest body of a request, inflated.', '8MiB', '1KiB', '256MiB'),
  max_event: maxEvent,
});

export const inputsSchema = object('Ways in. Left out: HTTP with its defaults.', { http }, { default: { http: {} } });
