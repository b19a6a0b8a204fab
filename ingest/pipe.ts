// `waggle pipe`: lines of standard input to the agent of this host, with its acknowledgements.
//   a line that is a JSON object is the data of an event; another one is {"message": line}
// While the agent is away or full, reading stops: the program before the pipe waits, and nothing is lost.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { StringDecoder } from 'node:string_decoder';
import { localUrl } from '#core/units.ts';
import { Sender } from './client/sender.ts';

export interface PipeOptions {
  readonly type: string;
  readonly level: string | null;
  /** Milliseconds: once the input has ended, how long what is left is tried. */
  readonly wait: number;
  /** Stops reading. */
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
}

const QUEUE = 4 * 1024 * 1024;
/** A longer line is cut. */
const LONGEST = 256 * 1024;

/** 0 where the agent has taken all; 1, with counts told, where it has not. */
export async function pipeLines(
  listen: string | null,
  input: AsyncIterable<Buffer>,
  options: PipeOptions,
): Promise<number> {
  const { type, level, wait, signal, tell } = options;
  if (listen === null) {
    tell('the configuration has no agent.inputs.http\n');
    return 1;
  }
  const url = `${localUrl(listen)}/events${level === null ? '' : `?level=${encodeURIComponent(level)}`}`;
  let refusal = '';
  const sender = new Sender({
    url,
    maxBytes: QUEUE,
    batchBytes: 512 * 1024,
    batchEvents: 500,
    linger: 20,
    timeout: 30_000,
    dropped: (reason, _count, message) => {
      if (reason === 'refused') refusal ||= message;
    },
  });
  const source = `/${encodeURIComponent(hostname())}/pipe`;
  let told = false;
  const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  for await (const line of linesOf(input, aborted)) {
    const json = eventOf(source, type, line);
    while (!sender.hasRoom(json.length) && !signal.aborted) {
      const { trouble } = sender.stats();
      if (trouble !== null && !told) {
        tell(`waiting for the agent at ${url}: ${trouble}\n`);
        told = true;
      }
      await sender.changed(1000);
    }
    sender.add(json);
  }
  await sender.flush(wait);
  const { trouble, queued } = sender.stats();
  sender.end();
  const { delivered, dropped } = sender.stats();
  if (queued === 0 && dropped.refused === 0) return 0;
  const why = [
    queued > 0 ? `${queued} not handed over (${trouble ?? 'no answer yet'})` : '',
    dropped.refused > 0 ? `${dropped.refused} refused (${refusal})` : '',
  ];
  tell(`${delivered} events with the agent; ${why.filter((text) => text !== '').join('; ')}\n`);
  return 1;
}

/** Lines of text without their line feeds; blank ones left out, long ones cut with what follows left out. */
async function* linesOf(input: AsyncIterable<Buffer>, aborted: Promise<void>): AsyncGenerator<Line> {
  const decoder = new StringDecoder('utf8');
  const chunks = input[Symbol.asyncIterator]();
  let rest = '';
  let cut = false;
  for (;;) {
    const next = await Promise.race([chunks.next(), aborted]);
    const isEnd = next === undefined || next.done === true;
    rest += isEnd ? decoder.end() : decoder.write(next.value);
    const lines = rest.split('\n');
    rest = isEnd ? '' : (lines.pop() ?? '');
    for (const text of lines) {
      if (!cut && text.trim() !== '') yield cutLine(text.endsWith('\r') ? text.slice(0, -1) : text);
      cut = false;
    }
    if (rest.length > LONGEST) {
      if (!cut) yield cutLine(rest);
      cut = true;
      rest = '';
    }
    if (isEnd) return;
  }
}

interface Line {
  readonly text: string;
  readonly truncated: boolean;
}

const cutLine = (text: string): Line => ({ text: text.slice(0, LONGEST), truncated: text.length > LONGEST });

/** The bytes of a JSON object stay as they are. */
function eventOf(source: string, type: string, { text, truncated }: Line): string {
  const time = new Date().toISOString();
  const head = JSON.stringify({ specversion: '1.0', id: randomUUID(), source, type, time }).slice(0, -1);
  if (!truncated && isObject(text)) return `${head},"data":${text}}`;
  const message = JSON.stringify(text.toWellFormed());
  return `${head},"data":{"message":${message}${truncated ? ',"truncated":true' : ''}}}`;
}

function isObject(text: string): boolean {
  if (text.trimStart()[0] !== '{') return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
