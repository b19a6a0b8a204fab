// `waggle tap` as it is called: its options checked, and what they mean.
import type { Config } from '#core/config/config.ts';
import { didYouMean } from '#core/config/problem.ts';
import { patternFault } from '#core/patterns.ts';
import { forPeople, type CommandOptions, type Output } from '../operator-command.ts';
import { printAside, runTap } from './tap.ts';

const printOut = (lines: Buffer): Promise<boolean> => printAside(1, lines);

/** The exit code, or what is wrong with its use. Ends with the process's first SIGINT or SIGTERM. */
export function tapCommand(
  config: Config,
  patterns: readonly (string | undefined)[],
  options: CommandOptions,
  output: Output,
): Promise<number> | string {
  const match = patterns.length > 0 ? patterns.flatMap((pattern) => pattern ?? []) : ['**'];
  for (const pattern of match) {
    const fault = patternFault(pattern);
    if (fault !== null) return `${pattern}: ${fault}`;
  }
  const count = options['count'] === undefined ? null : Number(options['count']);
  if (count !== null && !(Number.isSafeInteger(count) && count > 0)) return '--count: a whole number from 1';
  const sites = config.sites.map(({ name }) => name);
  const asked = options['site'] ?? (sites.includes(config.agent.site) ? config.agent.site : sites[0]);
  const site = config.sites.find(({ name }) => name === asked);
  if (site === undefined)
    return `--site: there is no site "${asked}"; the sites are ${sites.join(', ')}${didYouMean(String(asked), sites)}`;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  return forPeople(
    () => runTap(config, { match, site, count, print: printOut, tell: output.tell }, stop.signal),
    output,
  );
}
