// The part of the schema that is Bee.
import { byName, duration, list, object, oneOf, secret, size, text, whole } from './schema-parts.ts';

const key = object(
  'One source of events; its name is the first part of its key.',
  {
    hashes: list(
      text('key-hash', 'One hash.'),
      'Hashes of its keys, as `waggle bee key` prints them; two while keys are changed.',
      {
        maxItems: 2,
      },
    ),
    source: text('uri-reference', 'What its events bear as `source`; `/bee/<name>` unless given.'),
    types: list(text('type-pattern', 'One pattern.'), 'Types it may send, as patterns; all unless given.', {
      default: ['**'],
    }),
  },
  { required: ['hashes'] },
);

export const beeSchema = object(
  'Bee: takes events from phones, browsers and other untrusted senders, checks and cleans them by rules, hands them to the agent of its host.',
  {
    listen: text('address', 'Where it listens.', { default: '127.0.0.1:9890' }),
    admin: text('address', 'Where its /healthz /readyz /metrics /status listen.', { default: '127.0.0.1:9891' }),
    agent: text('http-url', 'The HTTP input of the agent of this host.', { default: 'http://127.0.0.1:9880' }),
    token: secret(
      'By it the agent takes rejected events from Bee alone. "${NAME}" from the environment, or "file:/path".',
    ),
    level: oneOf(
      'Where an event must be before the sender is told that it is accepted, unless the request says.',
      ['memory', 'disk', 'site'],
      'disk',
    ),
    rules: {
      type: 'string',
      description: 'Folder of the rule files; a relative path starts at this file.',
      minLength: 1,
      default: 'bee/rules',
    },
    hash_key: secret(
      'Key of the sanitizer `hash`; rules that hash need it. "${NAME}" from the environment, or "file:/path".',
    ),
    keys: byName('Sources by name.', key, 1),
    origins: {
      ...list(text('origin', 'One origin.'), 'Pages that may send from a browser (CORS); none unless given.'),
      minItems: 0,
      default: [],
    },
    trusted_proxies: {
      ...list(
        text('network', 'One address or network.'),
        'Proxies whose X-Forwarded-For tells the address of the sender; none unless given.',
      ),
      minItems: 0,
      default: [],
    },
    max_body: size('Largest body of a request, inflated.', '512KiB', '1KiB', '8MiB'),
    max_event: size('Largest single event.', '32KiB', '256B', '1MiB'),
    max_events: whole('Events of one request.', 1, 10_000, 1000),
    rate: object(
      'Requests that are answered in a window; beyond, 429.',
      {
        window: duration('The window.', '10s', '1s', '1h'),
        key: whole('For each key.', 1, 100_000_000, 10_000),
        address: whole('For each address; those without a key that is known count too.', 1, 100_000_000, 600),
      },
      { default: {} },
    ),
    clock_skew: duration('A sender’s clock that is wrong by more is corrected.', '55m', '1s', '365d'),
    remember: duration('How long an event that is sent again is told its first verdict.', '10m', '0s', '1h'),
  },
  { required: ['token', 'keys'] },
);
