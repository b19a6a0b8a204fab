// The schema of an agent's inputs: an entry for each, with its fields and defaults.
import { byName, duration, list, object, oneOf, secret, size, text, type JsonSchema } from './schema-parts.ts';

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

const pattern = (description: string): JsonSchema => ({ type: 'string', description, minLength: 1 });

const tail = list(
  object(
    'Logs of one kind.',
    {
      paths: list(
        { type: 'string', description: 'An absolute path or glob.', pattern: '^/', minLength: 2 },
        'Files, such as /var/log/app/*.log: the names that are written to. Rotated ones are found beside them; compressed ones are left alone.',
      ),
      type: text('event-type', 'Type of the events.'),
      format: oneOf(
        'plain: {"message": line}. json: a line is the data. regexp: named groups of `pattern`. cri: Kubernetes. docker: json-file of Docker.',
        ['plain', 'json', 'regexp', 'cri', 'docker'],
        'plain',
      ),
      pattern: pattern('For regexp: RE2, with named groups; `time` (RFC 3339) becomes the time of the event.'),
      multiline: object(
        'Records of several lines. Not for json.',
        {
          start: pattern('RE2: a line that matches begins a record; others belong to the one before.'),
          timeout: duration('A record is whole after so long without a line.', '1s', '100ms', '60s'),
        },
        { required: ['start'] },
      ),
      start: oneOf(
        'Where a file is begun that was there before it was first tailed.',
        ['beginning', 'end'],
        'beginning',
      ),
      max_line: size('A longer line or record is cut, and counted.', '256KiB', '1KiB', '8MiB'),
      path_field: {
        type: 'string',
        description: 'Member of the data that names the file; none where empty.',
        default: '',
        maxLength: 100,
      },
    },
    { required: ['paths', 'type'] },
  ),
  'Files to tail.',
);

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
  { http, forward, udp, syslog, tail },
  { default: { http: {} } },
);
