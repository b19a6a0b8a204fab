// `waggle dead …` as people call it: options to what is run.
import type { Config } from '#core/config/config.ts';
import { forPeople, rateOf, type CommandOptions, type Output } from '../operator-command.ts';
import { discardDead, listDead, replayDead, showDead } from './main.ts';
import { parseQuery } from './query.ts';

/** The exit code, or what is wrong with the use. */
export async function deadCommand(
  config: Config,
  [what = '', ...given]: readonly (string | undefined)[],
  options: CommandOptions,
  output: Output,
): Promise<number | string> {
  const ids = given.filter((id) => id !== undefined);
  const query = parseQuery(ids, options);
  if (typeof query === 'string') return query;
  const site = typeof options['site'] === 'string' ? options['site'] : null;
  if (site !== null && !config.sites.some(({ name }) => name === site))
    return `--site: there is no site "${site}"; the sites are ${config.sites.map(({ name }) => name).join(', ')}`;
  const yes = options['yes'] === true;
  const rate = rateOf(options);
  if (typeof rate === 'string') return rate;
  switch (what) {
    case 'list':
      return forPeople(() => listDead(config, query, site, options['json'] === true, output), output);
    case 'show':
      if (ids.length !== 1) return 'dead show: name one letter by its id, as dead list prints it';
      return forPeople(() => showDead(config, query, site, options['body'] === true, output), output);
    case 'replay': {
      const event = typeof options['event'] === 'string' ? options['event'] : null;
      return forPeople(() => replayDead(config, query, site, { yes, rate, event }, output), output);
    }
    case 'discard':
      return forPeople(() => discardDead(config, query, site, yes, output), output);
    default:
      return `dead ${what}: it is list, show, replay or discard`;
  }
}
