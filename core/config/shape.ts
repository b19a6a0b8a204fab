// The checked configuration out of the file's own form: names in camelCase, bytes, milliseconds, nothing optional.
import type { BeeConfig } from './bee-config.ts';
import { parseAddress, parseDuration, parseSize } from '../units.ts';
import type { AgentConfig, Config, SiteConfig } from './config.ts';
import type { AgentFile, BeeFile, ConfigFile, SiteFile } from './file.ts';
import { shapeInputs } from './input-shape.ts';
import { shapeSink } from './sink-shape.ts';

/** Texts that the command at hand does not need, and the environment does not give, are ''; a user without a password, and a sink without its kind, are left out. */
export function shape(file: string, host: string, config: ConfigFile): Config {
  const sites = Object.entries(config.sites).map(([name, site]) => shapeSite(name, site));
  return {
    file,
    version: 1,
    vhost: config.vhost ?? '/',
    sites,
    users: Object.fromEntries(
      Object.entries(config.users).flatMap(([name, { password }]) =>
        password === undefined ? [] : [[name, { password }]],
      ),
    ),
    log: {
      partitions: config.log.partitions,
      retention: ms(config.log.retention),
      maxBytes: bytes(config.log.max_bytes),
    },
    dead: { retention: ms(config.dead.retention), maxBytes: bytes(config.dead.max_bytes) },
    agent: shapeAgent(host, config.agent),
    bee: config.bee === undefined ? null : shapeBee(config.bee),
    sinks: Object.entries(config.sinks).flatMap(([name, sink]) =>
      'kind' in sink ? [shapeSink(file, name, sink, sites[0]?.name ?? '')] : [],
    ),
  };
}

function shapeSite(name: string, site: SiteFile): SiteConfig {
  return {
    name,
    nodes: site.nodes,
    stream: site.stream.flatMap((text) => parseAddress(text) ?? []),
    management: [site.management].flat(),
    federation: site.federation ?? site.nodes,
    tls: site.tls === undefined ? null : { ca: null, cert: null, key: null, ...site.tls },
    linkCertificates: site.link_certificates,
  };
}

function shapeAgent(host: string, agent: AgentFile): AgentConfig {
  const { spool, route } = agent;
  const site = agent.site ?? '';
  return {
    site,
    host: agent.host || host,
    admin: agent.admin,
    workers: agent.workers,
    spool: {
      path: spool.path,
      max: bytes(spool.max),
      share: spool.share,
      keep: bytes(spool.keep),
      segment: bytes(spool.segment),
    },
    inputs: shapeInputs(agent.inputs),
    types: agent.types.map(({ match, type }) => ({ match, type })),
    transforms: agent.transforms.map(({ match, where = {}, keep = 1, drop = [], rename = {}, set = {} }) => ({
      match,
      where: Object.fromEntries(Object.entries(where).map(([path, value]) => [path, [value].flat()])),
      keep,
      mapping: { drop, rename, set },
    })),
    levels: agent.levels.map(({ match, level }) => ({ match, level })),
    route: {
      mode: route.mode,
      prefer: route.prefer ?? site,
      hysteresis: ms(route.hysteresis),
      behind: route.behind === undefined ? Math.floor(bytes(spool.max) / 2) : bytes(route.behind),
      window: bytes(route.window),
      linger: ms(route.linger),
    },
  };
}

function shapeBee(bee: BeeFile): BeeConfig {
  const { listen, admin, agent, token, level, rules, hash_key, origins, trusted_proxies, max_events, rate } = bee;
  return {
    listen,
    admin,
    agent,
    token: token ?? '',
    level,
    rules,
    hashKey: hash_key ?? null,
    keys: Object.entries(bee.keys).map(([name, { hashes, source, types }]) => ({
      name,
      hashes: hashes ?? [],
      source: source ?? `/bee/${name}`,
      types,
    })),
    origins,
    trustedProxies: trusted_proxies,
    maxBody: bytes(bee.max_body),
    maxEvent: bytes(bee.max_event),
    maxEvents: max_events,
    rate: { window: ms(rate.window), key: rate.key, address: rate.address },
    clockSkew: ms(bee.clock_skew),
    remember: ms(bee.remember),
  };
}

// The schema has checked both; an absent one cannot come here, since each has a default.
const bytes = (text: string): number => parseSize(text) ?? 0;
const ms = (text: string): number => parseDuration(text) ?? 0;
