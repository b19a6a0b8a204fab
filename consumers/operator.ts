// The brokers as the user `operator` reaches them: dead letters and replays.
import type { Config, SiteConfig } from '#core/config/config.ts';
import type { AmqpLinkOptions } from '#core/io/amqp.ts';
import { USER_OPERATOR } from '#topology/names.ts';
import type { OperatorAccess } from './source/site-streams.ts';

/** By the stream protocol. Throws an error for people where the configuration cannot do it. */
export function operatorAccess(config: Config, site: string): OperatorAccess {
  return { site: siteOf(config, site), vhost: config.vhost, user: USER_OPERATOR, password: passwordOf(config) };
}

/** By AMQP 0-9-1. `what`: shown by the broker beside the connection. */
export function operatorLink(config: Config, site: string, what: string): AmqpLinkOptions {
  const { nodes, tls } = siteOf(config, site);
  return {
    site,
    nodes,
    tls,
    user: USER_OPERATOR,
    password: passwordOf(config),
    vhost: config.vhost,
    name: `waggle ${what}`,
  };
}

function siteOf(config: Config, name: string): SiteConfig {
  const site = config.sites.find((candidate) => candidate.name === name);
  if (site !== undefined) return site;
  const known = config.sites.map((candidate) => candidate.name).join(', ');
  throw new Error(`${config.file}: there is no site "${name}"; there are: ${known}`);
}

function passwordOf(config: Config): string {
  const user = config.users[USER_OPERATOR];
  if (user !== undefined) return user.password;
  throw new Error(
    `${config.file}: users.${USER_OPERATOR} is missing; add it with a password and run waggle topology declare`,
  );
}
