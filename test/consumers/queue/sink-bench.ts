// A queue sink in this process against a real RabbitMQ site: publishes batches as agents do, runs the sink, reads its dead letters and numbers.
import { randomFillSync } from 'node:crypto';
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { encodeBatch } from '#core/batch.ts';
import type { Config } from '#core/config/config.ts';
import type { QueueSinkConfig } from '#core/config/sink-config.ts';
import { decodeDeadRecord, type StoredLetter } from '#core/dead-letter.ts';
import { ownEventLine, parseEventLine } from '#core/event-line.ts';
import { createLog } from '#core/io/log.ts';
import { createTelemetry, type Telemetry } from '#core/io/telemetry.ts';
import { uuidGenerator, uuidv7 } from '#core/uuid.ts';
import { DEAD_STREAM, EVENTS, sinkQueue } from '#topology/names.ts';
import { runQueueSink } from '../../../consumers/queue-sink.ts';
import type { openQueueSink } from '../../../consumers/queue/sinks.ts';
import { ADMIN_PASSWORD, configFor, type Site, startSite, until } from '../../containers.ts';
import { declared } from '../../topology/broker.ts';

const ids = uuidGenerator(Date.now, randomFillSync);

/** WAGGLE_TEST_LOG=1 shows the sink's log. */
const quiet = { write: (line: string) => void (process.env['WAGGLE_TEST_LOG'] && process.stderr.write(line)) };

export interface Running {
  readonly telemetry: Telemetry;
  /** The exit code. */
  readonly ended: Promise<number>;
  /** Aborts as SIGTERM does; the exit code. */
  stop(): Promise<number>;
}

export class SinkBench implements AsyncDisposable {
  readonly site: Site;
  readonly config: Config;
  readonly sink: QueueSinkConfig;
  readonly #open: typeof openQueueSink | undefined;
  #admin: ChannelModel;
  #publisher: ConfirmChannel;
  readonly #running = new Set<Running>();

  private constructor(
    site: Site,
    config: Config,
    sink: QueueSinkConfig,
    open: typeof openQueueSink | undefined,
    admin: ChannelModel,
    publisher: ConfirmChannel,
  ) {
    this.site = site;
    this.config = config;
    this.sink = sink;
    this.#open = open;
    this.#admin = admin;
    this.#publisher = publisher;
  }

  /** Starts a site and declares the sink's queue and permits. `open`: for a target that the table of sinks does not name. */
  static async start(sink: QueueSinkConfig, open?: typeof openQueueSink): Promise<SinkBench> {
    const site = await startSite('chicago');
    const config = configFor([site.config], { sinks: [sink] });
    const admin = await connectAdmin(site);
    const bench = new SinkBench(site, config, sink, open, admin, await admin.createConfirmChannel());
    await bench.declare();
    return bench;
  }

  async declare(): Promise<void> {
    await declared(this.config);
  }

  /** After the site was away. */
  async reconnect(): Promise<void> {
    await until('the site', async () => {
      this.#admin = await connectAdmin(this.site);
      return true;
    });
    this.#publisher = await this.#admin.createConfirmChannel();
  }

  /** One call of the management API. */
  async manage(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: object): Promise<Response> {
    const headers = {
      authorization: `Basic ${Buffer.from(`topology:${ADMIN_PASSWORD}`).toString('base64')}`,
      'content-type': 'application/json',
    };
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    return fetch(`${this.site.nodes[0]?.management ?? ''}/api/${path}`, init);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((running) => running.stop()));
    await this.#admin.close().catch(() => {});
    await this.site[Symbol.asyncDispose]();
  }

  /** One batch of one type; answers the ids of its events. */
  async publish(type: string, data: readonly unknown[]): Promise<string[]> {
    const arrival = { receivedAt: Date.now(), host: 'host', site: 'chicago', source: '/chicago/host/test' };
    const lines = data.map((each) => ownEventLine(type, arrival, ids, each));
    const identity = uuidv7(Date.now(), randomFillSync(new Uint8Array(16)));
    const message = encodeBatch(
      { identity, partition: 0, type, count: lines.length, ranges: [[1, lines.length]], body: Buffer.concat(lines) },
      'zstd',
    );
    const { headers, contentType, contentEncoding, appId, messageId, body } = message;
    this.#publisher.publish(EVENTS, type, body, {
      persistent: true,
      headers,
      contentType,
      ...(contentEncoding !== undefined && { contentEncoding }),
      appId,
      messageId,
    });
    await this.#publisher.waitForConfirms();
    return lines.map((line) => parseEventLine(line)?.id ?? '');
  }

  /** What is no batch, straight to the sink's queue. */
  async publishRaw(body: Buffer): Promise<void> {
    this.#publisher.publish('', sinkQueue(this.sink.name), body, { persistent: true });
    await this.#publisher.waitForConfirms();
  }

  run(sink: QueueSinkConfig = this.sink, open = this.#open, config = this.config): Running {
    const telemetry = createTelemetry('test', createLog('test', quiet));
    const end = new AbortController();
    const ended = runQueueSink(config, sink, telemetry, end.signal, open);
    const running: Running = {
      telemetry,
      ended,
      stop: async () => {
        this.#running.delete(running);
        end.abort(new Error('stopped'));
        return ended;
      },
    };
    this.#running.add(running);
    return running;
  }

  /** Messages in the queue that nobody holds. */
  async ready(): Promise<number> {
    const channel = await this.#admin.createChannel();
    const { messageCount } = await channel.checkQueue(sinkQueue(this.sink.name));
    await channel.close();
    return messageCount;
  }

  /** Ends the AMQP connections of the sink's user, as the broker's operator can. */
  async killConnections(): Promise<number> {
    let killed = 0;
    await until('connections of the sink', async () => {
      const answer = await this.manage('GET', 'connections');
      const connections = (await answer.json()) as readonly { readonly name: string; readonly user: string }[];
      for (const { name } of connections.filter(({ user }) => user === this.sink.name)) {
        if ((await this.manage('DELETE', `connections/${encodeURIComponent(name)}`)).ok) killed++;
      }
      return killed > 0;
    });
    return killed;
  }

  /** The letters in the site's dead-letter stream, once there are so many of this sink. */
  async letters(count: number): Promise<StoredLetter[]> {
    const channel = await this.#admin.createChannel();
    await channel.prefetch(100);
    const found: StoredLetter[] = [];
    await channel.consume(
      DEAD_STREAM,
      (message) => {
        if (message === null) return;
        channel.ack(message);
        const headers: Readonly<Record<string, unknown>> = message.properties.headers ?? {};
        const { contentType, contentEncoding, messageId } = message.properties;
        const offset = BigInt(Number(headers['x-stream-offset']));
        const place = { site: 'chicago', stream: DEAD_STREAM, offset };
        const record = decodeDeadRecord({
          ...place,
          headers,
          contentType,
          contentEncoding,
          messageId,
          body: message.content,
        });
        if (record.kind === 'letter') found.push(record);
      },
      { arguments: { 'x-stream-offset': 'first' } },
    );
    await until(`${count} dead letters`, () => found.length >= count);
    await channel.close();
    return found;
  }
}

async function connectAdmin(site: Site): Promise<ChannelModel> {
  const url = new URL(site.nodes[0]?.amqp ?? '');
  url.username = 'topology';
  url.password = ADMIN_PASSWORD;
  const admin = await connect(url.href);
  admin.on('error', () => {});
  return admin;
}
