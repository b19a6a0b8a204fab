// The inputs of an agent, out of its configuration: one table from name to what starts it.
import { randomFillSync } from 'node:crypto';
import type { AgentConfig } from '#core/config/config.ts';
import type { InputsConfig } from '#core/config/input-config.ts';
import { ListenRefused } from '#core/io/admin.ts';
import type { Telemetry } from '#core/io/telemetry.ts';
import { createBooks } from './books.ts';
import type { Accept, Input, TailContext } from './contract.ts';
import type { LetterIntake } from '../letters.ts';
import { createForwardInput } from './forward/forward.ts';
import { createHttpInput } from './http/http.ts';
import { createSyslogInput } from './syslog/syslog.ts';
import { createUdpInput } from './udp.ts';
import { createTailInput } from './tail/tail.ts';

/** Who takes what was read: events, and what Bee rejected; the latter null where there is no Bee. */
export interface Takers {
  readonly accept: Accept;
  readonly letters: LetterIntake | null;
  /** What is noted in the spool of this worker. */
  readonly notes: TailContext['notes'];
}

type Starter = (inputs: InputsConfig, context: TailContext & Takers, closeWithin: number) => Promise<Input> | null;

/** Null where it is not configured. */
const starters: Readonly<Record<keyof InputsConfig, Starter>> = {
  http: ({ http }, context, closeWithin) =>
    http && createHttpInput({ ...http, ...context, limits: { close: closeWithin } }),
  forward: ({ forward }, context, closeWithin) =>
    forward && createForwardInput({ ...forward, ...context, limits: { close: closeWithin } }),
  udp: ({ udp }, context) => udp && createUdpInput({ ...udp, ...context }),
  syslog: ({ syslog }, context, closeWithin) =>
    syslog && createSyslogInput({ ...syslog, ...context, limits: { close: closeWithin } }),
  tail: ({ tail }, context) => tail && createTailInput(tail, context),
};

export interface StartedInputs extends AsyncDisposable {
  /** By name of the input: where it listens. */
  readonly addresses: Readonly<Partial<Record<keyof InputsConfig, string>>>;
  /** For /status. */
  readonly status: () => object;
}

/**
 * All of them or none. Rejects with an error for people: which input cannot listen, and why. `closeWithin`: milliseconds that what is in
 * flight is given at the end.
 */
export async function startInputs(
  agent: AgentConfig,
  takers: Takers,
  telemetry: Telemetry,
  closeWithin: number,
): Promise<StartedInputs> {
  await using started = new AsyncDisposableStack();
  const addresses: Partial<Record<keyof InputsConfig, string>> = {};
  const shown: (() => object)[] = [];
  const inputs: Input[] = [];
  for (const name of Object.keys(starters) as (keyof InputsConfig)[]) {
    const books = createBooks(name, telemetry);
    const { types, site, host } = agent;
    const context = {
      ...takers,
      types,
      site,
      host,
      clock: Date.now,
      random: randomFillSync,
      observe: books,
      truncated: (path: string, unread: number) =>
        telemetry.fact(
          'error',
          'tail.truncated',
          { path, unread },
          `${path} was truncated or removed with ${unread} bytes unread, and no copy beside it has them: they are lost`,
        ),
    };
    const input = await startInput(name, agent.inputs, context, closeWithin);
    if (input === null) continue;
    inputs.push(started.use(input));
    addresses[name] = input.address;
    telemetry.fact(
      'info',
      'input.started',
      { input: name, address: input.address, ...input.status?.() },
      `the ${name} input is open at ${input.address}`,
    );
    shown.push(() => ({ input: name, address: input.address, ...input.status?.(), ...books.figures() }));
  }
  started.move(); // to the promise below
  let closed: Promise<unknown> | null = null;
  return {
    addresses,
    status: () => shown.map((show) => show()),
    // All at once: each has the same time to end.
    [Symbol.asyncDispose]: async () => {
      await (closed ??= Promise.all(inputs.map((input) => input[Symbol.asyncDispose]())));
    },
  };
}

async function startInput(
  name: keyof InputsConfig,
  inputs: InputsConfig,
  context: TailContext & Takers,
  closeWithin: number,
): Promise<Input | null> {
  try {
    return await starters[name](inputs, context, closeWithin);
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new ListenRefused(
      `agent.inputs.${name}: ${error.message}; where another service or instance has this address, give each its own`,
      { cause: error },
    );
  }
}
