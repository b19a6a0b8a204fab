// The MongoDB sink's wiring: from its configuration to what the loop asks of a queue sink.
import type { MongodbSinkConfig } from '#core/config/sink-config.ts';
import { SinkConfigInvalid, type Connection, type QueueSink } from '../queue/contract.ts';
import { encode, LIMIT, type Statement } from './encode.ts';
import { MongodbConnection, openClient } from './send.ts';

/** Opens nothing yet. Throws SinkConfigInvalid. */
export function openMongodbSink(config: MongodbSinkConfig): QueueSink<Statement> {
  try {
    openClient(config);
  } catch (error) {
    // The driver's message names what is wrong, without the password.
    throw new SinkConfigInvalid(`sinks.${config.name}.uri: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  return {
    limit: LIMIT,
    encode,
    connect: () => new MongodbConnection(config),
    prepare(connection: Connection<Statement>, signal) {
      if (!(connection instanceof MongodbConnection)) throw new TypeError('not a connection of this sink');
      return connection.ping(signal);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
