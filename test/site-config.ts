// A checked configuration for given sites, in its checked form: what tests of services start from.
import type { Config, SiteConfig } from '#core/config/config.ts';
import type { SinkConfig } from '#core/config/sink-config.ts';

export interface ConfigParts {
  readonly vhost?: string;
  readonly log?: Partial<Config['log']>;
  readonly agent?: Partial<Config['agent']>;
  readonly bee?: Config['bee'];
  readonly sinks?: readonly SinkConfig[];
  readonly users?: Config['users'];
}

/** What a test adds its inputs to. */
export const noInputs: Config['agent']['inputs'] = { http: null, forward: null, udp: null, syslog: null, tail: null };

/** A checked configuration for these sites, every user with a password; `partitions` is 2 unless given. */
export function configFor(sites: readonly SiteConfig[], parts: ConfigParts = {}): Config {
  const sinks = parts.sinks ?? [];
  const names = ['topology', 'federation', 'agent', 'monitoring', 'operator', 'tap', ...sinks.map((sink) => sink.name)];
  const first = sites[0]?.name ?? '';
  return {
    file: 'waggle.yaml',
    version: 1,
    vhost: parts.vhost ?? '/',
    sites,
    users: parts.users ?? Object.fromEntries(names.map((name) => [name, { password: `test-${name}` }])),
    log: { partitions: 2, retention: 7 * 86_400_000, maxBytes: 1024 ** 3, ...parts.log },
    dead: { retention: 30 * 86_400_000, maxBytes: 256 * 1024 ** 2 },
    agent: {
      site: first,
      host: 'test-host',
      admin: '127.0.0.1:0',
      workers: 1,
      spool: { path: '', max: 1024 ** 3, share: 1, keep: 0, segment: 64 * 1024 ** 2 },
      inputs: noInputs,
      types: [],
      transforms: [],
      levels: [],
      route: {
        mode: 'balance',
        prefer: first,
        hysteresis: 2_000,
        behind: 512 * 1024 ** 2,
        window: 8 * 1024 ** 2,
        linger: 10,
      },
      ...parts.agent,
    },
    bee: parts.bee ?? null,
    sinks,
  };
}
