// `waggle replay` as people call it: options to what is run.
import type { Config } from '#core/config/config.ts';
import { didYouMean } from '#core/config/problem.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import { patternFault } from '#core/patterns.ts';
import { parseMoment } from '#core/time.ts';
import { forPeople, MOMENT_HELP, rateOf, type CommandOptions, type Output } from '../operator-command.ts';
import { replayHistory } from './main.ts';

/** The exit code, or what is wrong with the use. */
export async function replayCommand(config: Config, options: CommandOptions, output: Output): Promise<number | string> {
  const name = String(options['sink']);
  const sink = config.sinks.find((candidate) => candidate.name === name);
  if (sink === undefined) {
    const names = config.sinks.filter(isQueueSink).map((each) => each.name);
    return `${config.file} has no sink "${name}"; its queue sinks are ${names.join(', ')}${didYouMean(name, names)}`;
  }
  if (!isQueueSink(sink)) {
    const move = `waggle sink move ${name} --to SITE has it read the log of another site from its beginning`;
    const anew = 'a second sink under a new name writes all that the log holds once more';
    return `${name} is a log sink: it reads the log itself, exactly once, so nothing is replayed to it; ${move}, ${anew}`;
  }
  const [from, to] = [parseMoment(String(options['from'])), parseMoment(String(options['to']))];
  if (from === null || to === null) return `--${from === null ? 'from' : 'to'}: ${MOMENT_HELP}`;
  if (from >= to) return '--from must be before --to';
  const match = typeof options['match'] === 'string' ? options['match'].split(' ') : [];
  const fault = match.map((pattern) => [pattern, patternFault(pattern)] as const).find(([, found]) => found !== null);
  if (fault !== undefined) return `--match ${fault[0]}: ${fault[1]}`;
  const rate = rateOf(options);
  if (typeof rate === 'string') return rate;
  const { progress } = options;
  const request = {
    sink,
    from,
    to,
    match,
    rate,
    file: typeof progress === 'string' ? progress : `waggle-replay-${name}.json`,
    yes: options['yes'] === true,
    json: options['json'] === true,
  };
  return forPeople(() => replayHistory(config, request, output.tell), output);
}
