// The schema of an agent's inputs: an entry for each, with its fields and defaults.
import { byName, object, oneOf, secret, size, text, type JsonSchema } from './schema-parts.ts';

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

const serverTls = {
  cert: secret('PEM of the certificate and what stands between it and its authority: "file:/path".'),
  key: secret('PEM of its key: "file:/path".'),
  client_ca: secret('PEM of the authority whose certificates clients must show; left out: none is asked for.'),
};
const receiveBuffer = size(
  'Receive buffer asked of the kernel, which gives at most net.core.rmem_max.',
  '8MiB',
  '64KiB',
  '1GiB',
);

const forward = object('Fluentd’s forward protocol, over TCP; heartbeats over UDP too.', {
  listen: listen('127.0.0.1:24224'),
  level: level('disk'),
  max_chunk: size('Largest message, as sent and inflated.', '16MiB', '1KiB', '256MiB'),
  max_event: maxEvent,
  shared_key: secret('Clients must know it: "${NAME}" from the environment, or "file:/path".'),
  users: byName(
    'Clients must name one of these too.',
    object(
      'A user; its name is its key.',
      { password: secret('"${NAME}", or "file:/path".') },
      { required: ['password'] },
    ),
    0,
  ),
  tls: object('TLS instead of plain TCP.', serverTls, { required: ['cert', 'key'] }),
});

const udp = object('A CloudEvent a datagram, or one a line. Best effort: what is lost is counted.', {
  listen: listen('127.0.0.1:5160'),
  level: level('memory'),
  max_event: maxEvent,
  type: text('event-type', 'The type of objects that are no CloudEvents; left out: they are refused.'),
  receive_buffer: receiveBuffer,
});

const syslog = object('Syslog, RFC 5424 and RFC 3164, over UDP and TCP at the same port.', {
  listen: listen('127.0.0.1:5140'),
  level: level('disk'),
  type: text('event-type', 'The type of its events.', { default: 'syslog' }),
  max_message: size('Longer messages are cut.', '64KiB', '480B', '1MiB'),
  time_zone: text('time-zone', 'Zone of times that name none.', { default: 'UTC' }),
  receive_buffer: receiveBuffer,
  tls: object(
    'Syslog over TLS (RFC 5425), at an address of its own.',
    { listen: listen('127.0.0.1:6514'), ...serverTls },
    { required: ['cert', 'key'] },
  ),
});

export const inputsSchema = object(
  'Ways in; only those named are open. Left out: HTTP with its defaults.',
  { http, forward, udp, syslog },
  { default: { http: {} } },
);
