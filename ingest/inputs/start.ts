// The inputs of an agent, out of its configuration: one table from name to what starts it. Of several workers all share the TCP ports. Tail is
// worker 0's, whose spool has the notes; so are datagrams: one socket has them in order, in one buffer, and what the kernel drops is counted once.
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

interface Context extends TailContext, Takers {
  /** Whether this worker takes datagrams. */
  readonly datagrams: boolean;
}

type Starter = (inputs: InputsConfig, context: Context, closeWithin: number) => Promise<Input> | null;

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

/** By name of the input: where it listens. */
export type InputAddresses = Readonly<Partial<Record<keyof InputsConfig, string>>>;

export interface StartedInputs extends AsyncDisposable {
  readonly addresses: InputAddresses;
  /** For /status. */
  readonly status: () => readonly object[];
}

/** Inputs that only worker 0 has. */
const ALONE: readonly (keyof InputsConfig)[] = ['udp', 'tail'];

/**
 * All of them or none. Rejects with an error for people: which input cannot listen, and why. `closeWithin`: milliseconds that what is in
 * flight is given at the end.
 */
export async function startInputs(
  agent: AgentConfig,
  worker: number,
  takers: Takers,
  telemetry: Telemetry,
  closeWithin: number,
): Promise<StartedInputs> {
  await using started = new AsyncDisposableStack();
  const addresses: Partial<Record<keyof InputsConfig, string>> = {};
  const shown: (() => object)[] = [];
  const inputs: Input[] = [];
  for (const name of Object.keys(starters) as (keyof InputsConfig)[]) {
    if (worker > 0 && ALONE.includes(name)) continue;
    const books = createBooks(name, telemetry);
    const { types, site, host } = agent;
    const context = {
      ...takers,
      datagrams: worker === 0,
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
  context: Context,
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
