// How a user of the configuration reaches a site.
import type { Config, SiteConfig } from '#core/config/config.ts';
import type { AmqpLinkOptions } from '#core/io/amqp.ts';

/** The user's password; throws an error for people where the configuration has no such user. */
export function passwordOf(config: Config, user: string): string {
  const found = config.users[user];
  if (found) return found.password;
  throw new Error(`${config.file}: users.${user} is missing; add it with a password`);
}

/** For `openAmqpLink` and `connectAmqp`. `name` is shown by the broker beside the connection. */
export function amqpOptions(config: Config, site: SiteConfig, user: string, name: string): AmqpLinkOptions {
  const { nodes, tls } = site;
  return { site: site.name, nodes, tls, user, password: passwordOf(config, user), vhost: config.vhost, name };
}

/** `amqp://user:password@host:port/vhost`, for tools that take a URL. A secret: never print it. */
export function amqpUrl(config: Config, node: string, user: string): string {
  const { protocol, host } = new URL(node);
  const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(passwordOf(config, user))}`;
  return `${protocol}//${credentials}@${host}/${encodeURIComponent(config.vhost)}`;
}
