// One connection to MongoDB: a client of its own with one socket for commands, which the driver opens, watches and replaces by itself. Beside
// it the driver keeps one socket to each server of the deployment that it only watches, and writes nothing through.
import { MongoClient, type Document, type MongoClientOptions } from 'mongodb';
import type { MongodbSinkConfig } from '#core/config/sink-config.ts';
import { unlessAborted } from '#core/io/abort.ts';
import type { Connection, Outcome } from '../queue/contract.ts';
import { failureOutcome, replyOutcome } from './classify.ts';
import type { Statement } from './encode.ts';

export type ConnectionSettings = Pick<MongodbSinkConfig, 'name' | 'uri' | 'database' | 'collection' | 'timeout'>;

/** The driver gives up a handshake by nothing else, so a socket may outlive its connection by so much where the server says nothing. */
const CONNECT_MS = 5_000;
const CLOSE_MS = 1_000;

/** What stands here wins over the connection string. */
const optionsOf = ({ name, timeout }: ConnectionSettings): MongoClientOptions => ({
  appName: `waggle ${name}`,
  maxPoolSize: 1,
  minPoolSize: 0,
  maxConnecting: 1,
  // The other mode keeps two sockets a server.
  serverMonitoringMode: 'poll',
  connectTimeoutMS: Math.min(timeout, CONNECT_MS),
  serverSelectionTimeoutMS: timeout,
  // The loop retries.
  retryWrites: false,
  retryReads: false,
  maxAdaptiveRetries: 0,
});

/** Opens nothing yet. Throws what the driver says of a wrong connection string. */
export const openClient = (settings: ConnectionSettings): MongoClient =>
  new MongoClient(settings.uri, optionsOf(settings));

export class MongodbConnection implements Connection<Statement> {
  readonly #settings: ConnectionSettings;
  readonly #target: string;
  #client: MongoClient | null = null;
  /** Whether this client has had an answer. */
  #reached = false;

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
    this.#target = `MongoDB collection "${settings.database}.${settings.collection}"`;
  }

  send(batch: readonly Statement[], signal: AbortSignal): Promise<Outcome> {
    const { collection, timeout } = this.#settings;
    // Not collection.bulkWrite: that may send several commands, tells the failure of one as the first event's, and knows no signal.
    const command = {
      update: collection,
      updates: batch,
      ordered: false,
      // The server is to answer before we give up: its reason says more than a time-out.
      writeConcern: { w: 'majority', j: true, wtimeout: Math.ceil(timeout / 2) },
    };
    return this.#run(command, signal, (reply) => replyOutcome(reply, batch.length, this.#target));
  }

  /** Whether it can be reached, and knows us. */
  ping(signal: AbortSignal): Promise<Outcome> {
    return this.#run({ ping: 1 }, signal, () => ({ kind: 'done', repeated: 0 }));
  }

  /** Says goodbye to the server where that answers in time. */
  async [Symbol.asyncDispose](): Promise<void> {
    const client = this.#client;
    this.#client = null;
    this.#reached = false;
    if (client === null) return;
    await unlessAborted(client.close(true), AbortSignal.timeout(CLOSE_MS)).catch(() => {});
  }

  async #run(command: Document, signal: AbortSignal, meaning: (reply: Document) => Outcome): Promise<Outcome> {
    const client = (this.#client ??= openClient(this.#settings));
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), this.#settings.timeout);
    const either = AbortSignal.any([signal, over.signal]);
    try {
      // By the signal the driver closes the socket.
      const work = client.db(this.#settings.database).command(command, { signal: either });
      const reply = await unlessAborted(work, either);
      this.#reached = true;
      return meaning(reply);
    } catch (error) {
      // A client that could not connect at first says "Topology is closed" from then on, for ever.
      if (!this.#reached) await this[Symbol.asyncDispose]();
      if (either.aborted) return this.#late();
      const outcome = failureOutcome(error, this.#target);
      if (outcome === null) throw error;
      return outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  #late(): Outcome {
    const message = `${this.#target}: no answer within ${this.#settings.timeout} ms`;
    return { kind: 'retry', code: 'timeout', message, after: null };
  }
}
