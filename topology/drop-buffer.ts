// `waggle topology drop-buffer`: gives up what one site keeps for another that is away for too long, and says what is lost by it.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import { links } from './checks.ts';
import { path } from './management.ts';
import { bufferQueue } from './names.ts';
import { observeHealth } from './observe.ts';
import { outlook, roughly, sizeText } from './outlook.ts';
import { administrator } from './site.ts';

export interface DropRequest {
  /** Whose disk holds the buffer. */
  readonly site: SiteConfig;
  /** For which site. */
  readonly to: SiteConfig;
  /** False: only tells. */
  readonly yes: boolean;
}

/** Prints what it loses; deletes the buffer where asked to. Resolves to the exit code: 0, or 1 where there is nothing to drop. Rejects with an error for people. */
export async function dropBuffer(config: Config, request: DropRequest, print: (text: string) => void): Promise<number> {
  const { site, to, yes } = request;
  const api = administrator(config, site);
  const observed = await observeHealth(api, config.vhost);
  const name = bufferQueue(to.name);
  const buffer = observed.objects.find((each) => each.kind === 'queue' && each.name === name);
  if (!buffer) {
    print(`${site.name} keeps nothing for ${to.name}: there is no queue "${name}"\n`);
    return 1;
  }
  const isDraining = await observeHealth(administrator(config, to), config.vhost).then(
    (there) => links(config, to, there).some((link) => link.ok && link.name.startsWith(`link ${site.name} -> `)),
    () => false, // It is away.
  );
  if (isDraining) {
    print(`the link ${site.name} -> ${to.name} runs: it drains "${name}" by itself; nothing is dropped\n`);
    return 1;
  }
  const { messages, bytes, secondsToFull } = outlook(observed, buffer);
  const homes = config.sinks.filter((sink) => sink.home === to.name);
  const queues = homes.filter(isQueueSink).map((sink) => sink.name);
  const logs = homes.filter((sink) => !isQueueSink(sink)).map((sink) => sink.name);
  const full = Number.isFinite(secondsToFull)
    ? `; at the present rate the disk is full in ${roughly(secondsToFull)}`
    : '';
  const lines = [
    `"${name}" at ${site.name} holds ${messages} batches (${sizeText(bytes)}), as last counted${full}.`,
    `Dropping it, ${to.name} never gets them, nor what is published at ${site.name} from then on until the link runs again.`,
    `They stay in the log streams of ${site.name} for as long as log.retention and log.max_bytes say, and in the queues of sinks there.`,
    ...(logs.length > 0
      ? [
          `Log sinks at ${to.name} miss them unless they read at ${site.name}: ${logs.map((sink) => `waggle sink move ${sink} --to ${site.name}`).join('; ')}.`,
        ]
      : []),
    ...(queues.length > 0
      ? [
          `Queue sinks at ${to.name} miss them (${queues.join(', ')}): once it is back, waggle replay --sink NAME reads the log of its home alone; change the sink's home to ${site.name} first.`,
        ]
      : []),
  ];
  print(`${lines.join('\n')}\n`);
  if (!yes) {
    print('Nothing is done without --yes.\n');
    return 0;
  }
  await api.send('DELETE', path('queues', config.vhost, name), undefined);
  print('Dropped.\n');
  return 0;
}
