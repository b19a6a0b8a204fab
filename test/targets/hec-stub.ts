// A HEC endpoint in this process, for what the real one of hec.ts cannot be made to do: any refusal, delays, cut connections, acknowledgements that are
// late, lost or answered once. Where nothing else is planned it does as Splunk documents ("HTTP Event Collector endpoints", "Error codes").
//
//   await using stub = await startHecStub();
//   stub.onEvents = (request) => (request.number === 2 ? { kind: 'refuse', code: 9, retryAfter: '1' } : { kind: 'take' });
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { splitObjects } from './hec-objects.ts';

/** What happens to a request whose token, channel and events are in order. */
export type Answer =
  /** Code 0. `ack`: when its acknowledgement turns true; `late`: with `releaseAcks`. */
  | { readonly kind: 'take'; readonly ack?: 'at once' | 'late' | 'never'; readonly after?: Promise<void> }
  /** `invalidEvent` names the event at fault; `taken` of the events before it are kept all the same (releases of Splunk differ). */
  | {
      readonly kind: 'refuse';
      readonly code: number;
      readonly status?: number;
      readonly invalidEvent?: number;
      readonly taken?: number;
      readonly retryAfter?: string;
      readonly after?: Promise<void>;
    }
  /** Anything, as a proxy before Splunk would say it. */
  | { readonly kind: 'say'; readonly status: number; readonly body: string }
  /** The connection ends without an answer; the events are taken or not. */
  | { readonly kind: 'cut'; readonly taken: boolean };

export interface EventsRequest {
  /** From 1, of all that came to `/event`. */
  readonly number: number;
  readonly channel: string | null;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Of the body as it came. */
  readonly bytes: number;
  /** The JSON of each event, as it was sent (numbers exact). */
  readonly events: readonly string[];
}

export interface AckRequest {
  readonly number: number;
  readonly channel: string;
  readonly acks: readonly number[];
}

export interface HecStub extends AsyncDisposable {
  readonly endpoint: string;
  readonly token: string;
  /** Decides on each request; the default takes all. */
  onEvents: (request: EventsRequest) => Answer;
  /** `lose`: what was true counts as told, and the connection ends without the answer. A number: that status, code 8, nothing told. */
  onAck: (request: AckRequest) => 'tell' | 'lose' | number;
  /** Status of `/health`: 200 (code 17) or 503 (code 18). */
  healthy: boolean;
  /** Those with a right token and channel; refused ones too. */
  readonly requests: readonly EventsRequest[];
  readonly ackRequests: readonly AckRequest[];
  /** The JSON of all events that were taken, in order. */
  readonly indexed: readonly string[];
  readonly connections: { readonly open: number; readonly most: number; readonly total: number };
  /** Turns all late acknowledgements so far true. */
  releaseAcks(): void;
  /** All channels and their acknowledgements are forgotten, as by a restart without persistent queues; ids begin again at 0. */
  forgetChannels(): void;
}

/** Splunk's table: HTTP status and text of each code that a request of a sink can meet. */
const CODES: Readonly<Record<number, readonly [status: number, text: string]>> = {
  0: [200, 'Success'],
  1: [403, 'Token disabled'],
  2: [401, 'Token is required'],
  3: [401, 'Invalid authorization'],
  4: [403, 'Invalid token'],
  5: [400, 'No data'],
  6: [400, 'Invalid data format'],
  7: [400, 'Incorrect index'],
  8: [500, 'Internal server error'],
  9: [503, 'Server is busy'],
  10: [400, 'Data channel is missing'],
  11: [400, 'Invalid data channel'],
  12: [400, 'Event field is required'],
  13: [400, 'Event field cannot be blank'],
  14: [400, 'ACK is disabled'],
  15: [400, 'Error in handling indexed fields'],
  17: [200, 'HEC is healthy'],
  18: [503, 'HEC is unhealthy, queues are full'],
  23: [503, 'Server is shutting down'],
  26: [429, 'HEC queue at capacity'],
  27: [429, 'HEC ACK channel at capacity'],
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const TOKEN = '11111111-1111-1111-1111-111111111111';

/** `acknowledgement: false`: a token without it: no channel needed, no `ackId`, code 14 at `/ack`. */
export async function startHecStub(options: { readonly acknowledgement?: boolean } = {}): Promise<HecStub> {
  const acknowledgement = options.acknowledgement ?? true;
  const channels = new Map<string, Channel>();
  const requests: EventsRequest[] = [];
  const ackRequests: AckRequest[] = [];
  const indexed: string[] = [];
  const connections = { open: 0, most: 0, total: 0 };
  const server = createServer((incoming, outgoing) => {
    // A client that gave up is no failure of the stub.
    serve(incoming, outgoing).catch((error: unknown) => void incoming.socket.destroy(asError(error)));
  });
  server.on('connection', (socket: Socket) => {
    connections.total++;
    connections.most = Math.max(connections.most, ++connections.open);
    socket.once('close', () => connections.open--);
    socket.on('error', () => undefined); // a cut connection
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://stub');
    const body = await bodyOf(incoming);
    if (url.pathname.startsWith('/services/collector/health')) return say(outgoing, stub.healthy ? 17 : 18);
    const refused = authorize(incoming.headers.authorization);
    if (refused !== null) return say(outgoing, refused);
    const channel = header(incoming, 'x-splunk-request-channel') ?? url.searchParams.get('channel');
    if (channel === null && acknowledgement) return say(outgoing, 10);
    if (channel !== null && !UUID.test(channel)) return say(outgoing, 11);
    if (url.pathname === '/services/collector/ack')
      return channel === null || !acknowledgement ? say(outgoing, 14) : tellAcks(outgoing, channel, body);
    return takeEvents(incoming, outgoing, channel, body);
  }

  async function takeEvents(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    channel: string | null,
    body: Buffer,
  ): Promise<void> {
    const text = (header(incoming, 'content-encoding') === 'gzip' ? gunzipSync(body) : body).toString('utf8');
    const { objects, rest } = splitObjects(text);
    const request: EventsRequest = {
      number: requests.length + 1,
      channel,
      headers: incoming.headers,
      bytes: body.length,
      events: objects,
    };
    requests.push(request);
    const fault = objects.length === 0 && rest === '' ? { code: 5 } : faultOf(objects, rest);
    const answer: Answer = fault ? { kind: 'refuse', ...fault } : stub.onEvents(request);
    if ('after' in answer) await answer.after;
    switch (answer.kind) {
      case 'take':
        indexed.push(...objects);
        return say(outgoing, 0, channel !== null && acknowledgement && { ackId: nextAck(channel, answer.ack) });
      case 'refuse': {
        indexed.push(...objects.slice(0, answer.taken ?? 0));
        if (answer.retryAfter !== undefined) outgoing.setHeader('retry-after', answer.retryAfter);
        const at = answer.invalidEvent !== undefined && { 'invalid-event-number': answer.invalidEvent };
        return say(outgoing, answer.code, at, answer.status);
      }
      case 'say':
        return void outgoing.writeHead(answer.status).end(answer.body);
      case 'cut':
        if (answer.taken) {
          indexed.push(...objects);
          if (channel !== null) nextAck(channel, 'at once');
        }
        return void incoming.socket.destroy();
      default:
        answer satisfies never;
    }
  }

  function nextAck(channel: string, ack: 'at once' | 'late' | 'never' = 'at once'): number {
    const state = channels.get(channel) ?? { next: 0, indexed: new Set(), late: new Set() };
    channels.set(channel, state);
    const id = state.next++;
    if (ack === 'at once') state.indexed.add(id);
    if (ack === 'late') state.late.add(id);
    return id;
  }

  /** A true status is told once. */
  function tellAcks(outgoing: ServerResponse, channel: string, body: Buffer): void {
    const { acks } = JSON.parse(body.toString('utf8')) as { acks: readonly number[] };
    const request = { number: ackRequests.length + 1, channel, acks };
    ackRequests.push(request);
    const verdict = stub.onAck(request);
    if (typeof verdict === 'number') return say(outgoing, 8, false, verdict);
    const state = channels.get(channel);
    const told = Object.fromEntries(acks.map((id) => [id, state?.indexed.delete(id) ?? false]));
    if (verdict === 'lose') return void outgoing.socket?.destroy();
    outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ acks: told }));
  }

  const stub: HecStub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // listens on TCP
    token: TOKEN,
    onEvents: () => ({ kind: 'take' }),
    onAck: () => 'tell',
    healthy: true,
    requests,
    ackRequests,
    indexed,
    connections,
    releaseAcks() {
      for (const { indexed: done, late } of channels.values()) {
        for (const id of late) done.add(id);
        late.clear();
      }
    },
    forgetChannels: () => channels.clear(),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return stub;
}

interface Channel {
  next: number;
  readonly indexed: Set<number>;
  readonly late: Set<number>;
}

function authorize(authorization: string | undefined): number | null {
  if (authorization === undefined) return 2;
  if (!authorization.startsWith('Splunk ')) return 3;
  return authorization === `Splunk ${TOKEN}` ? null : 4;
}

/** Splunk's code for the first event at fault, and which that is, from 0. */
function faultOf(objects: readonly string[], rest: string): { code: number; invalidEvent: number } | null {
  for (const [invalidEvent, text] of objects.entries()) {
    const event = parse(text);
    if (event === undefined) return { code: 6, invalidEvent };
    if (event['event'] === undefined || event['event'] === null) return { code: 12, invalidEvent };
    if (event['event'] === '') return { code: 13, invalidEvent };
    if (hasNested(event['fields'])) return { code: 15, invalidEvent };
  }
  return rest === '' ? null : { code: 6, invalidEvent: objects.length };
}

/** Values of `fields` are strings and the like, or lists of these. */
const hasNested = (fields: unknown): boolean =>
  fields !== undefined &&
  (typeof fields !== 'object' ||
    Object.values(fields ?? {})
      .flat()
      .some((value) => typeof value === 'object'));

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function say(outgoing: ServerResponse, code: number, more: object | false = false, status?: number): void {
  const [usual, text] = CODES[code] ?? [500, 'unknown to the stub'];
  outgoing.writeHead(status ?? usual, { 'content-type': 'application/json' });
  outgoing.end(JSON.stringify({ text, code, ...more }));
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function header(incoming: IncomingMessage, name: string): string | null {
  const value = incoming.headers[name];
  return typeof value === 'string' ? value : null;
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
