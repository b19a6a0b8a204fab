// `waggle send`: one event to the HTTP input of the agent of this host.
import { text } from 'node:stream/consumers';
import { localUrl } from '#core/units.ts';
import { postEvents } from './client/post.ts';

const TIMEOUT = 30_000;

/** Posts `data` (standard input where null) as the data of one event, and prints the agent's answer; 0 where it was accepted, else 1. */
export async function sendEvent(
  listen: string | null,
  type: string,
  level: string | null,
  data: string | null,
  print: (text: string) => void,
): Promise<number> {
  if (listen === null) {
    print('the configuration has no agent.inputs.http\n');
    return 1;
  }
  const query = level === null ? '' : `?level=${encodeURIComponent(level)}`;
  const url = `${localUrl(listen)}/events/${encodeURIComponent(type)}${query}`;
  const body = data ?? (await text(process.stdin));
  const outcome = await postEvents({ url, contentType: 'application/json', body, timeout: TIMEOUT });
  if (outcome.kind === 'unreachable') print(`no answer from the agent at ${url}: ${outcome.message}\n`);
  else print(`${outcome.answer}\n`);
  return outcome.kind === 'accepted' ? 0 : 1;
}
