// `waggle send`: one event to the HTTP input of the agent of this host.
import { text } from 'node:stream/consumers';
import { localUrl } from '#core/units.ts';

/** Posts `data` (standard input where null) as the data of one event, and prints the agent's answer; 0 where it was accepted, else 1. */
export async function sendEvent(
  listen: string | null,
  type: string,
  data: string | null,
  print: (text: string) => void,
): Promise<number> {
  if (listen === null) {
    print('the configuration has no agent.inputs.http\n');
    return 1;
  }
  const url = `${localUrl(listen)}/events/${encodeURIComponent(type)}`;
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: data ?? (await text(process.stdin)),
      signal: AbortSignal.timeout(30_000),
    });
    print(`${(await answer.text()).trimEnd()}\n`);
    return answer.ok ? 0 : 1;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    print(
      `no answer from the agent at ${url}: ${cause instanceof Error ? cause.message || cause.name : String(cause)}\n`,
    );
    return 1;
  }
}
