// A changed configuration while the agent runs: on SIGHUP, and when the file changes. It is checked first; where anything is wrong the old one
// stays. Connections are kept: a new node list or password serves the next one, so that nothing unconfirmed is lost by a reload.
import { unwatchFile, watchFile } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '#core/config/config.ts';
import { needsOfAgent } from '#core/config/needs.ts';
import type { AmqpLinkOptions } from '#core/io/amqp.ts';
import { ConfigInvalid, loadConfig } from '#core/io/config-file.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { USER_AGENT } from '#topology/names.ts';

/** How often the file is looked at, in milliseconds. */
const LOOK_EVERY = 2_000;

/** The configuration as it is now. */
export class LiveConfig implements Disposable {
  #config: Config;
  readonly #telemetry: Telemetry;
  #changed: () => void = () => undefined;
  readonly #reload = (): void => this.reload();

  constructor(config: Config, telemetry: Telemetry) {
    this.#config = config;
    this.#telemetry = telemetry;
  }

  get now(): Config {
    return this.#config;
  }

  /** For each site a link whose nodes, password and TLS are those of the moment at which it connects. */
  links(name: string): readonly AmqpLinkOptions[] {
    return this.#config.sites.map((first) => {
      const now = (): AmqpLinkOptions => {
        const site = this.#config.sites.find((each) => each.name === first.name) ?? first;
        return amqpOptions(this.#config, site, USER_AGENT, name);
      };
      const { site, user, vhost } = now();
      return {
        site,
        user,
        vhost,
        name,
        get nodes() {
          return now().nodes;
        },
        get password() {
          return now().password;
        },
        get tls() {
          return now().tls ?? null;
        },
      };
    });
  }

  /** `changed` is called after each change. */
  onChange(changed: () => void): void {
    this.#changed = changed;
  }

  /** From now on, for SIGHUP and the file. */
  watch(): void {
    process.on('SIGHUP', this.#reload);
    watchFile(this.#config.file, { interval: LOOK_EVERY, persistent: false }, this.#reload);
  }

  [Symbol.dispose](): void {
    process.off('SIGHUP', this.#reload);
    unwatchFile(this.#config.file, this.#reload);
  }

  reload(): void {
    const { fact } = this.#telemetry;
    let next: Config;
    try {
      next = loadConfig(this.#config.file, needsOfAgent);
    } catch (error) {
      if (!(error instanceof ConfigInvalid)) throw error;
      return fact(
        'error',
        'config.refused',
        { problems: error.message.split('\n') },
        `the old configuration stays: ${error.message}`,
      );
    }
    const before = this.#config;
    const left = needsRestart(before, next);
    if (left.length > 0)
      fact(
        'warn',
        'config.needs-restart',
        { fields: left },
        `changed, and in force only after a restart: ${left.join(', ')}`,
      );
    if (!this.take(next)) return;
    fact(
      'info',
      'config.reloaded',
      {},
      `${before.file} is in force; a new node or password serves the next connection`,
    );
  }

  /** What can be changed while it runs, out of a configuration that was checked. False where that is as it was. */
  take(next: Config): boolean {
    const before = this.#config;
    this.#config = {
      ...before,
      // Of the sites that there are.
      sites: before.sites.map((site) => next.sites.find(({ name }) => name === site.name) ?? site),
      users: next.users,
      agent: { ...before.agent, transforms: next.agent.transforms, levels: next.agent.levels },
    };
    if (isDeepStrictEqual(before, this.#config)) return false;
    this.#changed();
    return true;
  }
}

/** Paths of what differs and cannot be changed while it runs. */
function needsRestart(before: Config, next: Config): readonly string[] {
  const fields: string[] = [];
  const compare = (path: string, one: unknown, other: unknown): void => {
    if (!isDeepStrictEqual(one, other)) fields.push(path);
  };
  compare('sites (one more or less)', names(before), names(next));
  compare('vhost', before.vhost, next.vhost);
  compare('log.partitions', before.log.partitions, next.log.partitions);
  compare('bee', before.bee, next.bee);
  const { transforms: _t, levels: _l, ...fixed } = before.agent;
  for (const key of Object.keys(fixed) as (keyof typeof fixed)[])
    compare(`agent.${key}`, before.agent[key], next.agent[key]);
  return fields;
}

const names = ({ sites }: Config): readonly string[] => sites.map(({ name }) => name);
