// What commands of the operator have in common.

export type CommandOptions = Readonly<Record<string, string | boolean | undefined>>;

export interface Output {
  /** Standard output. */
  readonly print: (text: string | Buffer) => unknown;
  /** Standard error: progress and troubles. */
  readonly tell: (text: string) => unknown;
}

export const MOMENT_HELP =
  'a time is written 2026-11-23T14:05:00Z, or in UTC 2026-11-23, 2026-11-23T14 or 2026-11-23T14:05';

/** Events a second, or what is wrong with it. */
export function rateOf(options: CommandOptions): number | string {
  const rate = Number(options['rate']);
  return rate > 0 && rate <= 1e9 ? rate : '--rate: events a second, a number above 0';
}

const BUGS = [TypeError, RangeError, ReferenceError];

/** What a broker, an agent or a file refuses ends a command with a message and exit code 1; a bug keeps its stack. */
export async function forPeople(run: () => Promise<number>, output: Output): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Error) || BUGS.some((kind) => error instanceof kind)) throw error;
    output.tell(`${error.message}\n`);
    return 1;
  }
}
