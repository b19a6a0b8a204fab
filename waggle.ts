#!/usr/bin/env node
// The command: one table from subcommand to what it runs. Each service is loaded when it is asked for, and no sooner.
import { enableCompileCache } from 'node:module';
import { Argument, Command, CommanderError, Option } from 'commander';
import type { Config } from '#core/config/config.ts';
import {
  needsNothing,
  needsOfAgent,
  needsOfBee,
  needsOfOperator,
  needsOfSend,
  needsOfSpool,
  needsOfStatus,
  needsOfTap,
  type Needs,
} from '#core/config/needs.ts';
import { formatProblem } from '#core/config/problem.ts';
import { checkConfigFile, ConfigInvalid, EXIT_CONFIG, loadConfig } from '#core/io/config-file.ts';
import { createLog } from '#core/io/log.ts';
import { EXIT_SOFTWARE, runProcess } from '#core/io/process.ts';
import { writeWhole } from '#core/io/standard-output.ts';
import { parseAddress } from '#core/units.ts';
import manifest from './package.json' with { type: 'json' };

/** EX_USAGE of sysexits.h. */
const EXIT_USAGE = 64;

class WrongUse extends Error {}

interface Call {
  /** Path of the configuration. */
  readonly file: string;
  readonly args: readonly (string | undefined)[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

interface Subcommand {
  readonly name: string;
  readonly about: string;
  readonly args?: readonly Argument[];
  readonly options?: readonly Option[];
  /** The exit code. */
  readonly run: (call: Call) => Promise<number>;
}

const json = new Option('--json', 'print JSON');
const beeParts = ['key', 'test', 'try', 'compile', 'diff', 'schema'];
const rate = new Option('--rate <events>', 'so many events a second at most').default('5000');
const level = new Option('--level <level>', 'where an event must be before the agent answers').choices([
  'memory',
  'disk',
  'site',
]);
const textOf = (option: string | boolean | undefined): string | null => (typeof option === 'string' ? option : null);
const yes = new Option('--yes', 'do it; without, only what would be done is printed');

const subcommands: readonly Subcommand[] = [
  {
    name: 'validate',
    about: 'check the configuration, and tell which references do not resolve here',
    run: ({ file }) => Promise.resolve(validate(file)),
  },
  {
    name: 'schema',
    about: 'print the JSON Schema of the configuration, for editors',
    run: async () => {
      const { editorSchema } = await import('#core/config/editor-schema.ts');
      return print(`${JSON.stringify(editorSchema, null, 2)}\n`);
    },
  },
  {
    name: 'agent',
    about: 'run the agent of this host: take events, keep them on disk, send them to a site',
    run: ({ file }) =>
      runService('agent', file, needsOfAgent, async (config, signal) => {
        const { runAgent } = await import('./ingest/main.ts');
        return runAgent(config, signal);
      }),
  },
  {
    name: 'bee',
    about: 'run Bee, which takes events from phones, browsers and other untrusted senders; or see docs/bee-rules.md',
    args: [
      new Argument('[what]', 'without: Bee runs').choices(beeParts),
      new Argument('[names...]', 'of a source, rules or a file; or the event itself'),
    ],
    options: [new Option('--rules <folder>', 'of rule files; bee.rules of the configuration unless given'), json],
    run: async ({ file, args: [what, ...names], options }) => {
      if (what !== undefined) {
        const { beeCommand } = await import('./bee/command.ts');
        return orWrongUse(await beeCommand({ what, names, options, file }, output));
      }
      return runService('bee', file, needsOfBee, async (config, signal) => {
        const { runBee } = await import('./bee/main.ts');
        return runBee(config, signal, textOf(options['rules']));
      });
    },
  },
  {
    name: 'consumer',
    about: 'run a sink, or list what it has committed',
    args: [new Argument('<sink>', 'its name in the configuration')],
    options: [
      new Option('--list', 'print what is committed, and end'),
      new Option('--from <time>', 'with --list: from this hour on (UTC), such as 2026-11-23T14 or 2026-11-23'),
      new Option('--to <time>', 'with --list: up to and with this hour'),
      new Option('--type <pattern>', 'with --list: only events of this type, such as checkin.*'),
    ],
    run: async ({ file, args: [name = ''], options }) => {
      const { consumerCommand } = await import('./consumers/command.ts');
      return orWrongUse(await consumerCommand(file, name, options, output));
    },
  },
  {
    name: 'sink',
    about: 'move a log sink: from now on it reads at another site, and repeats nothing',
    args: [new Argument('<what>', 'which').choices(['move']), new Argument('<sink>', 'its name in the configuration')],
    options: [new Option('--to <site>', 'the site at which it shall read').makeOptionMandatory()],
    run: async ({ file, args: [, name = ''], options }) => {
      const { moveCommand } = await import('./consumers/command.ts');
      return orWrongUse(await moveCommand(file, name, String(options['to']), print));
    },
  },
  {
    name: 'topology',
    about:
      'what the brokers hold: show the difference (plan), make it so (declare), prove that it works (verify), draw it (diagram), export its health (watch), give up what a site keeps for another (drop-buffer)',
    args: [new Argument('<what>', 'which').choices(['plan', 'declare', 'verify', 'diagram', 'watch', 'drop-buffer'])],
    options: [
      json,
      new Option('--listen <address>', 'with watch: where /metrics and /readyz are; 127.0.0.1:9883 unless given'),
      new Option('--every <duration>', 'with watch: between two looks; 10s unless given'),
      new Option('--site <site>', 'with drop-buffer: the site that keeps it'),
      new Option('--to <site>', 'with drop-buffer: the site it is kept for'),
      yes,
    ],
    run: async ({ file, args: [what], options }) => {
      const { topologyCommand } = await import('./topology/command.ts');
      return orWrongUse(await topologyCommand(what, (needs) => loadConfig(file, needs), options, print));
    },
  },
  {
    name: 'dead',
    about: 'dead letters: events that a sink could not deliver; see them, mend them, replay them to it, discard them',
    args: [
      new Argument('<what>', 'which').choices(['list', 'show', 'replay', 'discard']),
      new Argument('[letters...]', 'ids, or their first digits; all letters unless given'),
    ],
    options: [
      new Option('--sink <name>', 'refused by this sink'),
      new Option('--reason <reason>', 'rejected, unencodable, invalid, forgotten, unrouted or unknown'),
      new Option('--code <code>', "with this code: the target's own word for why"),
      new Option('--type <pattern>', 'events of this type, such as checkin.*'),
      new Option('--from <time>', 'refused at this time or later, such as 2026-11-23T14 (UTC)'),
      new Option('--to <time>', 'refused before this time'),
      new Option('--state <state>', 'open, resolved or all; open unless given'),
      new Option('--site <site>', 'in the dead letters of this site; of all sites unless given'),
      json,
      new Option('--body', 'with show: print the body alone'),
      new Option(
        '--event <file>',
        'with replay of one letter: deliver this event instead, the whole of it or its data',
      ),
      rate,
      yes,
    ],
    run: async ({ file, args, options }) => {
      const { deadCommand } = await import('./consumers/dead/command.ts');
      return orWrongUse(await deadCommand(loadConfig(file, needsOfOperator), args, options, output));
    },
  },
  {
    name: 'replay',
    about: 'replay history: events of the log once more to the queue of one sink, beside live traffic',
    options: [
      new Option('--sink <name>', 'to this sink').makeOptionMandatory(),
      new Option(
        '--from <time>',
        'that arrived at this time or later, such as 2026-11-23T14 (UTC)',
      ).makeOptionMandatory(),
      new Option('--to <time>', 'that arrived before this time').makeOptionMandatory(),
      new Option(
        '--match <patterns...>',
        'of these types, such as checkin.*; all that the sink takes unless given',
      ).argParser((pattern: string, before: string | undefined) =>
        before === undefined ? pattern : `${before} ${pattern}`,
      ),
      rate,
      new Option('--progress <file>', 'where it writes how far it is; ./waggle-replay-SINK.json unless given'),
      new Option('--json', 'print progress as JSON'),
      yes,
    ],
    run: async ({ file, options }) => {
      const { replayCommand } = await import('./consumers/replay/command.ts');
      return orWrongUse(await replayCommand(loadConfig(file, needsOfOperator), options, output));
    },
  },
  {
    name: 'status',
    about: 'what the agent of this host does now, or another service by its address; exit code 1 where it is not ready',
    options: [
      json,
      new Option('--ready', 'only whether it is ready'),
      new Option('--admin <address>', 'host:port of its administration endpoints; agent.admin unless given'),
    ],
    run: async ({ file, options }) => {
      const admin =
        typeof options['admin'] === 'string' ? options['admin'] : loadConfig(file, needsOfStatus).agent.admin;
      if (parseAddress(admin) === null) throw new WrongUse('--admin: not an address such as 127.0.0.1:9882');
      const { showStatus } = await import('#core/io/ask-admin.ts');
      return showStatus(admin, { json: options['json'] === true, ready: options['ready'] === true }, print);
    },
  },
  {
    name: 'tap',
    about: 'print events as they pass a site, a line of JSON each; slow readers miss some, and hold up nobody',
    args: [new Argument('[types...]', "patterns for types, such as 'checkin.*'; all unless given")],
    options: [
      new Option('--site <site>', "at this site; at this host's own, or the first, unless given"),
      new Option('--count <events>', 'end after so many events'),
    ],
    run: async ({ file, args, options }) => {
      const { tapCommand } = await import('./consumers/tap/command.ts');
      // A write that nobody reads would keep the process.
      return process.exit(orWrongUse(await tapCommand(loadConfig(file, needsOfTap), args, options, output)));
    },
  },
  {
    name: 'spool',
    about: 'the spool of this host, with its agent or without: see it, check it, take events out, mend it, send again',
    args: [new Argument('<what>', 'which').choices(['status', 'check', 'export', 'repair', 'resend'])],
    options: [
      new Option('--path <folder>', 'of this spool; agent.spool.path unless given'),
      json,
      new Option('--type <pattern>', 'with export: events of this type, such as checkin.*'),
      new Option('--unconfirmed', 'with export: only what some site has not confirmed'),
      new Option(
        '--from <time>',
        'with export, resend: segments with events accepted then or later, such as 2026-11-23T14',
      ),
      new Option('--to <time>', 'with export, resend: segments with events accepted before'),
      new Option('--site <site>', 'with resend: to this site'),
      yes,
    ],
    run: async ({ file, args: [what = ''], options }) => {
      const { spoolCommand } = await import('./ingest/spool-command/command.ts');
      const config = loadConfig(file, what === 'resend' ? needsOfAgent : needsOfSpool);
      return orWrongUse(await spoolCommand(config, what, options, output));
    },
  },
  {
    name: 'send',
    about: 'send one event to the agent of this host',
    args: [new Argument('[json]', 'its data; standard input unless given')],
    options: [new Option('--type <type>', 'its type, such as checkin.created').makeOptionMandatory(), level],
    run: async ({ file, args: [data], options }) => {
      const config = loadConfig(file, needsOfSend);
      const { sendEvent } = await import('./ingest/send.ts');
      const listen = config.agent.inputs.http?.listen ?? null;
      return sendEvent(listen, String(options['type']), textOf(options['level']), data ?? null, print);
    },
  },
  {
    name: 'pipe',
    about: 'send each line of standard input to the agent of this host: some-app | waggle pipe --type app.log',
    options: [
      new Option('--type <type>', 'type of the events, such as app.log').makeOptionMandatory(),
      level,
      new Option('--wait <duration>', 'once the input has ended: how long the agent is tried').default('30s'),
    ],
    run: async ({ file, options }) => {
      const { pipeCommand } = await import('./ingest/pipe-command.ts');
      return orWrongUse(await pipeCommand(loadConfig(file, needsOfSend), options, output.tell));
    },
  },
];

function validate(file: string): number {
  const checked = checkConfigFile(file, needsNothing);
  if (checked.kind === 'invalid') throw new ConfigInvalid(file, checked.problems);
  const { sites, sinks, log } = checked.config;
  print(`${file}: valid: sites ${sites.map(({ name }) => name).join(', ')}; ${log.partitions} partitions; `);
  print(`sinks ${sinks.map(({ name, home }) => `${name} (at ${home})`).join(', ') || 'none'}\n`);
  for (const problem of checked.unset)
    print(`${formatProblem(file, { ...problem, message: `note: ${problem.message}` })}\n`);
  return 0;
}

/** What a command that checks its own options answers: an exit code, or what is wrong with its use. */
function orWrongUse(answer: number | string): number {
  if (typeof answer === 'string') throw new WrongUse(answer);
  return answer;
}

// The configuration is checked before anything starts or is loaded.
function runService(
  name: string,
  file: string,
  needs: Needs,
  service: (config: Config, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const config = loadConfig(file, needs);
  return runProcess(createLog(name), (signal) => service(config, signal));
}

function print(text: string | Buffer): number {
  writeWhole(1, text);
  return 0;
}

const output = { print, tell: (text: string): void => writeWhole(2, text) };

async function main(argv: readonly string[]): Promise<number> {
  let code = 0;
  const program = new Command('waggle')
    .description(manifest.description)
    .version(manifest.version)
    .addOption(new Option('--config <file>', 'the configuration').env('WAGGLE_CONFIG').default('waggle.yaml'))
    .helpCommand(false)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 not done, 2 differs (topology), 64 wrong use, 70 a bug, 75 stopped with work left, 78 configuration.',
    );
  for (const { name, about, args = [], options = [], run } of subcommands) {
    const command = program.command(name).description(about).copyInheritedSettings(program);
    for (const argument of args) command.addArgument(argument);
    for (const option of options) command.addOption(option);
    command.action(async () => {
      code = await run({ file: String(program.getOptionValue('config')), args: command.args, options: command.opts() });
    });
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE; // commander has said why
    const isUse = error instanceof WrongUse;
    const isKnown = isUse || error instanceof ConfigInvalid;
    process.stderr.write(
      `${isKnown ? `${isUse ? 'error: ' : ''}${error.message}` : String(error instanceof Error ? error.stack : error)}\n`,
    );
    if (isUse) return EXIT_USAGE;
    return isKnown ? EXIT_CONFIG : EXIT_SOFTWARE;
  }
}

enableCompileCache();
process.exitCode = await main(process.argv.slice(2));
