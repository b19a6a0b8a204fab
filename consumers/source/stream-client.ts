// The stream client, mended: rabbitmq-stream-js-client 1.0.0 ends the process where it should report. Everything that reaches
// into its insides stands in this file; test/consumers/source/stream-client.test.ts shows each fault without its mend.
//
// 1. Its decoders of annotations and application properties throw, in the socket's data handler, on lists, maps, many number
//    types and falsy values: a federated message (`x-received-from` is a list of maps) is an uncaught exception.
// 2. Steps of the handshake (a wrong password, say) reject in an event handler that nobody awaits: an unhandled rejection, and
//    `connect` never settles.
// 3. The callbacks for consumer updates and for a deleted stream are async and unawaited: a failed write is an unhandled rejection.
// 4. The update listener is called on deactivation as on activation, and is not told which; the query itself knows.
// 5. Deliveries of several chunks interleave, since each message is awaited: with more than one credit order is lost. The
//    decoder's own event is synchronous and in order.
// 6. Its decoder joins an unfinished frame with each read of the socket, so that a chunk of a few megabytes is copied dozens of times.
//    Here it gets whole frames, each joined once.
// 7. It reads a chunk whose first message is 16 MiB long as empty: deliveries go by delivery.ts, but compressed entries, which no agent sends.
import { createRequire } from 'node:module';
import { isIP, type Socket } from 'node:net';
import type { Offset } from 'rabbitmq-stream-js-client';
import type { SiteTls } from '#core/config/config.ts';
import { clientTls } from '#core/io/tls.ts';
import { readAmqpPairs, type ByteReader } from './amqp-value.ts';
import { sortFrames, type StreamMessage } from './delivery.ts';
import { FrameJoiner } from './frame-joiner.ts';

export interface StreamEndpoint {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly vhost: string;
  /** In the clear unless given. */
  readonly tls?: SiteTls | null;
}

export interface Subscription {
  readonly stream: string;
  readonly offset: Offset;
  /** Null for a plain reader. `name` is shared by all instances of a sink. */
  readonly single: {
    readonly name: string;
    readonly superStream: string;
    /** `active` false: another instance takes over; the answer is ignored then. */
    readonly update: (active: boolean) => Promise<Offset>;
  } | null;
  /** Contents are read within `chunk`, and their memory is used again. Else each message has its own. */
  readonly borrows: boolean;
  /** Messages of one chunk, in order. Called synchronously in the socket's data handler. */
  readonly chunk: (messages: readonly StreamMessage[]) => void;
}

export interface Subscribed {
  /** Lets the broker send so many more chunks. */
  credit(chunks: number): void;
  close(): Promise<void>;
}

// The client's insides that are used here.
interface InnerConnection {
  readonly socket: Socket;
  readonly params: { readonly opened: (socket: Socket) => void };
  on(
    event: 'deliverV1' | 'deliverV2',
    listener: (delivery: { subscriptionId: number; messages: StreamMessage[] }) => void,
  ): void;
  send(request: unknown): Promise<void>;
  readonly decoder: InnerDecoder;
  getCompression(type: number): unknown;
}
interface InnerDecoder {
  add(data: Buffer, compression: (type: number) => unknown): void;
}
interface InnerConsumer {
  readonly consumerId: number;
  readonly extendedId: string;
}
interface UpdateQuery {
  readonly active: number;
}
interface InnerClient {
  locatorConnection: InnerConnection;
  getConsumerUpdateCallback(connectionId: string): (query: UpdateQuery) => Promise<void>;
  getConsumers(): { connection: InnerConnection; consumer: InnerConsumer }[];
  declareConsumer(params: object, handle: () => void, superStream?: { superStream: string }): Promise<InnerConsumer>;
  closeConsumer(extendedId: string): Promise<boolean>;
  streamStatsRequest(stream: string): Promise<{ readonly lastChunkId: bigint }>;
  start(): Promise<unknown>;
  close(): Promise<void>;
}

const require = createRequire(import.meta.url);
const inside = (path: string): unknown => require(`rabbitmq-stream-js-client/dist/${path}`);

interface PairsParser {
  parse(reader: ByteReader, elements: number): Record<string, unknown>;
}
type Step = (this: InnerConnection, ...rest: unknown[]) => Promise<unknown>;
const { CreditRequest } = inside('requests/credit_request.js') as {
  CreditRequest: new (params: { subscriptionId: number; credit: number }) => unknown;
};
// The constructor is private in the types; `connect` would start before the mends of the instance.
const { Client: ClientClass } = inside('client.js') as { Client: new (logger: object, params: object) => unknown };

const own = (message: StreamMessage): StreamMessage => ({ ...message, content: Buffer.from(message.content) });

/** Not in time; what was waited for may still come. */
class Late extends Error {}

/** By subscription. */
const chunksOf = new WeakMap<InnerConnection, Map<number, Subscription['chunk']>>();

let mended = false;
/** Idempotent. */
function mendStreamClient(): void {
  if (mended) return;
  mended = true;
  (inside('amqp10/messageAnnotations.js') as { Annotations: PairsParser }).Annotations.parse = readAmqpPairs;
  (inside('amqp10/applicationProperties.js') as { ApplicationProperties: PairsParser }).ApplicationProperties.parse =
    readAmqpPairs;

  const connection = (inside('connection.js') as { Connection: { prototype: Record<string, unknown> } }).Connection
    .prototype;
  for (const name of ['exchangeProperties', 'auth', 'tune', 'open', 'exchangeCommandVersions']) {
    const step = connection[name] as Step;
    connection[name] = async function (this: InnerConnection, ...rest: unknown[]) {
      try {
        return await step.apply(this, rest);
      } catch (error) {
        // The socket's error event is what rejects `connect`; the handler that awaits this step must not go on.
        this.socket.destroy(error instanceof Error ? error : new Error(`${name}: refused with code ${String(error)}`));
        return new Promise<never>(() => {});
      }
    };
  }
  const start = connection['start'] as Step;
  connection['start'] = function (this: InnerConnection, ...rest: unknown[]) {
    this.params.opened(this.socket);
    return start.apply(this, rest);
  };
  const frames = new WeakMap<InnerConnection, FrameJoiner>();
  connection['received'] = function (this: InnerConnection, data: Buffer) {
    let joiner = frames.get(this);
    if (joiner === undefined) frames.set(this, (joiner = new FrameJoiner()));
    try {
      const whole = joiner.push(data);
      if (whole === null) return;
      sortFrames(
        whole,
        ({ subscription, messages }) => chunksOf.get(this)?.get(subscription)?.(messages),
        (others) => this.decoder.add(others, (type) => this.getCompression(type)),
      );
    } catch (error) {
      this.socket.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const registerClose = connection['registerForCloseConsumer'] as (
    id: string,
    stream: string,
    then: () => Promise<void>,
  ) => void;
  connection['registerForCloseConsumer'] = function (id: string, stream: string, then: () => Promise<void>) {
    registerClose.call(this, id, stream, () => then().catch(() => {}));
  };
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const HEARTBEAT_S = 10;
/** The client counts a connection's subscriptions upwards only, and the protocol has a byte for them. */
const LAST_SUBSCRIPTION = 250;

/**
 * One client: its locator connection, and a connection for each stream that is subscribed to. It never reconnects: `ended` is
 * called once, with what happened, and then it is of no more use. Nothing that it returns waits longer than `deadline` ms.
 */
export class StreamConnection implements AsyncDisposable {
  readonly #client: InnerClient;
  readonly #ended: (why: string) => void;
  readonly #deadline: number;
  readonly #sockets = new Set<Socket>();
  readonly #silence: NodeJS.Timeout;
  readonly #lastHeard = new Map<Socket, number>();
  #over = false;
  #active = false;

  private constructor(endpoint: StreamEndpoint, deadline: number, ended: (why: string) => void) {
    this.#deadline = deadline;
    this.#ended = ended;
    const params = {
      hostname: endpoint.host,
      port: endpoint.port,
      username: endpoint.username,
      password: endpoint.password,
      vhost: endpoint.vhost,
      ...(endpoint.tls && {
        ssl: { ...clientTls(endpoint.tls), ...(isIP(endpoint.host) === 0 && { servername: endpoint.host }) },
      }),
      heartbeat: HEARTBEAT_S,
      connectionName: 'waggle consumer',
      // The client hands its parameters to each of its connections: none is made that we do not know, nor after the end.
      opened: (socket: Socket) => (this.#over ? void socket.destroy() : this.#watch(socket)),
      listeners: { connection_closed: () => this.#end('the broker closed the connection') },
    };
    const client = new ClientClass(SILENT, params) as InnerClient;
    const callback = client.getConsumerUpdateCallback.bind(client);
    client.getConsumerUpdateCallback = (connectionId) => {
      const answer = callback(connectionId);
      return (query) => {
        // `answer` calls the update listener before its first await, so the flag is still this query's.
        this.#active = query.active === 1;
        return answer(query).catch((error: unknown) => this.#end(`consumer update: ${String(error)}`));
      };
    };
    this.#client = client;
    // The broker sends heartbeats; the client counts missed ones only while it sends nothing either.
    this.#silence = setInterval(() => this.#checkSilence(), HEARTBEAT_S * 1000);
    this.#silence.unref();
  }

  static async connect(
    endpoint: StreamEndpoint,
    deadline: number,
    ended: (why: string) => void,
  ): Promise<StreamConnection> {
    mendStreamClient();
    const connection = new StreamConnection(endpoint, deadline, ended);
    try {
      await connection.#within(connection.#client.start(), `no stream connection to ${endpoint.host}:${endpoint.port}`);
      return connection;
    } catch (error) {
      connection.#over = true;
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether the stream holds nothing: what attaches to it would wait. */
  async isEmpty(stream: string): Promise<boolean> {
    const asked = this.#client.streamStatsRequest(stream);
    return (await this.#within(asked, `no statistics of ${stream}`)).lastChunkId < 0n;
  }

  async subscribe(subscription: Subscription): Promise<Subscribed> {
    const { single, stream } = subscription;
    const consumer = await this.#within(
      this.#client.declareConsumer(
        {
          stream,
          offset: subscription.offset,
          // No credit until our own listener stands: nothing can be delivered before.
          creditPolicy: { onSubscription: () => 0, onChunkReceived: async () => {}, onChunkCompleted: async () => {} },
          connectionClosedListener: () => this.#end(`the connection or the stream ${stream} was closed`),
          ...(single === null
            ? {}
            : {
                singleActive: true,
                consumerRef: single.name,
                consumerUpdateListener: () => single.update(this.#active),
              }),
        },
        () => {},
        single === null ? undefined : { superStream: single.superStream },
      ),
      `no subscription to ${stream}`,
    ).catch((error: unknown) => {
      // What comes of it later would hold the partition, and nobody would read it.
      if (error instanceof Late) this.#end(error.message);
      throw error;
    });
    const connection = this.#client.getConsumers().find((entry) => entry.consumer === consumer)?.connection;
    if (connection === undefined) throw new Error(`the stream ${stream} was closed while it was subscribed to`);
    const chunks = this.#deliveries(connection);
    const { chunk, borrows } = subscription;
    chunks.set(consumer.consumerId, borrows ? chunk : (messages) => chunk(messages.map(own)));
    if (consumer.consumerId >= LAST_SUBSCRIPTION) this.#end('subscription ids are used up: a new connection is needed');
    let open = true;
    return {
      // `send` never settles on a closed socket; the end of the connection is told by `ended`.
      credit: (amount) => {
        connection
          .send(new CreditRequest({ subscriptionId: consumer.consumerId, credit: amount }))
          .catch((error: unknown) => this.#end(`credit for ${stream}: ${String(error)}`));
      },
      close: async () => {
        if (!open) return;
        open = false;
        chunks.delete(consumer.consumerId);
        await this.#within(this.#client.closeConsumer(consumer.extendedId), `cannot unsubscribe from ${stream}`);
      },
    };
  }

  /** Idempotent. Sockets that do not close in time are destroyed. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#silence);
    const wasOver = this.#over;
    this.#over = true;
    if (!wasOver) await this.#within(this.#client.close(), 'close').catch(() => {});
    for (const { connection } of this.#client.getConsumers()) this.#sockets.add(connection.socket);
    for (const socket of this.#sockets) socket.destroy();
  }

  /** By subscription. One listener serves all of a connection: the client never takes one off. */
  #deliveries(connection: InnerConnection): Map<number, Subscription['chunk']> {
    const known = chunksOf.get(connection);
    if (known !== undefined) return known;
    const chunks = new Map<number, Subscription['chunk']>();
    chunksOf.set(connection, chunks);
    // Of compressed entries.
    const deliver = ({ subscriptionId, messages }: { subscriptionId: number; messages: StreamMessage[] }): void =>
      chunks.get(subscriptionId)?.(messages);
    connection.on('deliverV1', deliver);
    connection.on('deliverV2', deliver);
    return chunks;
  }

  #watch(socket: Socket): void {
    if (this.#sockets.has(socket)) return;
    this.#sockets.add(socket);
    this.#lastHeard.set(socket, Date.now());
    socket.on('data', () => this.#lastHeard.set(socket, Date.now()));
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#lastHeard.delete(socket);
    });
  }

  #checkSilence(): void {
    for (const at of this.#lastHeard.values()) {
      if (Date.now() - at > 3 * HEARTBEAT_S * 1000) this.#end(`no heartbeat from the broker for ${3 * HEARTBEAT_S} s`);
    }
  }

  #end(why: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended(why);
  }

  async #within<T>(work: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Late(`${what} within ${this.#deadline} ms`)), this.#deadline);
    });
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      throw error instanceof Error ? error : new Error(`${what}: ${String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  }
}
