// `waggle consumer` and `waggle sink move` as people call them: options to what is run.
import { didYouMean } from '#core/config/problem.ts';
import { needsOfConsumer, needsOfListing, needsOfMove } from '#core/config/needs.ts';
import { isQueueSink } from '#core/config/sink-config.ts';
import { loadConfig } from '#core/io/config-file.ts';
import { createLog } from '#core/io/log.ts';
import { runProcess } from '#core/io/process.ts';
import { patternFault } from '#core/patterns.ts';
import type { CommandOptions, Output } from './operator-command.ts';

/** The exit code, or what is wrong with the use. */
export async function consumerCommand(
  file: string,
  name: string,
  { list, from, to, type }: CommandOptions,
  output: Output,
): Promise<number | string> {
  if (list !== true && [from, to, type].some((value) => value !== undefined))
    return '--from, --to and --type go with --list';
  const config = loadConfig(file, list === true ? needsOfListing(name) : needsOfConsumer(name));
  const known = config.sinks.map((sink) => sink.name);
  if (!known.includes(name))
    return `${file} has no sink "${name}"; its sinks are ${known.join(', ')}${didYouMean(name, known)}`;
  if (list !== true) {
    return runProcess(createLog(`consumer-${name}`), async (signal) => {
      const { runConsumer } = await import('./main.ts');
      return runConsumer(config, name, signal);
    });
  }
  if (config.sinks.some((sink) => sink.name === name && isQueueSink(sink)))
    return `${name} is a queue sink: what it has delivered, its target knows; --list is for log sinks (S3, HDFS, folder)`;
  const { parseHour, printCommitted } = await import('./print-committed.ts');
  const hours = { from: typeof from === 'string' ? from : null, to: typeof to === 'string' ? to : null };
  const bound = (which: 'from' | 'to'): number | null => {
    const text = hours[which];
    return text === null ? null : parseHour(text, which);
  };
  for (const which of ['from', 'to'] as const)
    if (hours[which] !== null && bound(which) === null)
      return `--${which}: an hour is written 2026-11-23T14 (UTC), or a day 2026-11-23`;
  const pattern = typeof type === 'string' ? type : null;
  const fault = pattern === null ? null : patternFault(pattern);
  if (fault !== null) return `--type: ${fault}`;
  return printCommitted(config, name, { from: bound('from'), to: bound('to'), type: pattern }, output);
}

/** The exit code, or what is wrong with the use. */
export async function moveCommand(
  file: string,
  name: string,
  to: string,
  print: (text: string) => number,
): Promise<number | string> {
  const config = loadConfig(file, needsOfMove(name));
  const sites = config.sites.map((site) => site.name);
  if (!sites.includes(to)) return `--to: there is no site "${to}"; the sites are ${sites.join(', ')}`;
  const names = config.sinks.filter((sink) => !isQueueSink(sink)).map((sink) => sink.name);
  const sink = config.sinks.find((candidate) => candidate.name === name);
  if (sink === undefined)
    return `${file} has no sink "${name}"; its log sinks are ${names.join(', ')}${didYouMean(name, names)}`;
  if (isQueueSink(sink))
    return `${name} is a queue sink: change its home in ${file}, and see docs/topology.md; move is for ${names.join(', ')}`;
  const { moveSink } = await import('./move-sink.ts');
  return moveSink(config, sink, to, print);
}
