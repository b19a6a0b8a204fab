// `waggle topology …` as it is called: its options checked, and what they mean.
import type { Config } from '#core/config/config.ts';
import { needsOfDropBuffer, needsOfTopology, needsOfWatch, type Needs } from '#core/config/needs.ts';
import { didYouMean } from '#core/config/problem.ts';
import { createLog } from '#core/io/log.ts';
import { runProcess } from '#core/io/process.ts';
import { parseAddress, parseDuration } from '#core/units.ts';
import { dropBuffer } from './drop-buffer.ts';
import { runTopology } from './main.ts';
import { ManagementError } from './management.ts';
import { USER_MONITORING } from './names.ts';
import { watchSites } from './watch.ts';

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** The exit code, or what is wrong with its use. `load` checks the configuration for what is needed of it. */
export async function topologyCommand(
  what: string | undefined,
  load: (needs: Needs) => Config,
  options: Options,
  print: (text: string) => void,
): Promise<number | string> {
  const foreign = Object.keys(options).find((option) => !(OPTIONS[option] ?? []).includes(what ?? ''));
  if (foreign !== undefined) return `--${foreign} goes with topology ${OPTIONS[foreign]?.join(', ')}`;
  switch (what) {
    case 'plan':
    case 'declare':
    case 'verify':
    case 'diagram':
      return runTopology(what, load(needsOfTopology), { json: options['json'] === true, print });
    case 'watch':
      return watch(load(needsOfWatch), options);
    case 'drop-buffer':
      return drop(load(needsOfDropBuffer), options, print);
    default:
      return `topology ${what}: there is no such command`;
  }
}

const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  json: ['plan', 'declare', 'verify', 'diagram'],
  listen: ['watch'],
  every: ['watch'],
  site: ['drop-buffer'],
  to: ['drop-buffer'],
  yes: ['drop-buffer'],
};

function watch(config: Config, options: Options): Promise<number> | string {
  const listen = String(options['listen'] ?? '127.0.0.1:9883');
  if (parseAddress(listen) === null) return '--listen: not an address such as 127.0.0.1:9883';
  const every = parseDuration(String(options['every'] ?? '10s'));
  if (every === null || every < 1_000) return '--every: a duration of a second or more, such as 10s';
  if (config.users[USER_MONITORING] === undefined)
    return `${config.file}: users.${USER_MONITORING} is missing; add it with a password, and run waggle topology declare`;
  return runProcess(createLog('topology-watch'), (signal) => watchSites(config, { listen, every }, signal));
}

async function drop(config: Config, options: Options, print: (text: string) => void): Promise<number | string> {
  const known = config.sites.map(({ name }) => name);
  const [site, to] = ['site', 'to'].map((option) => config.sites.find(({ name }) => name === options[option]));
  if (site === undefined || to === undefined || site === to) {
    const wrong = String(site === undefined ? options['site'] : options['to']);
    return `drop-buffer --site A --to B gives up what A keeps for B; the sites are ${known.join(', ')}${didYouMean(wrong, known)}`;
  }
  try {
    return await dropBuffer(config, { site, to, yes: options['yes'] === true }, print);
  } catch (error) {
    if (!(error instanceof ManagementError)) throw error;
    print(`${error.message}\n`);
    return 1;
  }
}
