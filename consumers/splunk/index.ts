// The Splunk sink's wiring: from its configuration to connections to its collectors.
import { randomInt } from 'node:crypto';
import type { SplunkSinkConfig } from '#core/config/sink-config.ts';
import { tlsConfigFault } from '#core/io/tls.ts';
import { SinkConfigInvalid, type QueueSink } from '../queue/contract.ts';
import { openEncoder } from './encode.ts';
import { HecConnection } from './send.ts';

/** What a collector takes in one request unless it is told otherwise (limits.conf, [http_input] max_content_length of older releases). */
const USUAL_LIMIT = 1_000_000;

function faultOf({ endpoints, token, tls }: SplunkSinkConfig): string | null {
  if (endpoints.length === 0) return 'endpoints: name at least one collector';
  if (!/^[\x21-\x7e]+$/.test(token))
    return 'token: it is empty, or holds blanks or line breaks; check where it comes from';
  return tlsConfigFault(tls);
}

/** Opens nothing yet. Throws SinkConfigInvalid. */
export function openSplunkSink(config: SplunkSinkConfig): QueueSink<Buffer> {
  const fault = faultOf(config);
  if (fault !== null) throw new SinkConfigInvalid(`sinks.${config.name}.${fault}`);
  const bytes = Math.max(USUAL_LIMIT, config.batch.size);
  // Instances and connections spread over the collectors.
  let next = randomInt(config.endpoints.length);
  return {
    limit: { bytes, events: config.batch.count },
    encode: openEncoder(config, bytes),
    prepare: (connection, signal) =>
      connection instanceof HecConnection ? connection.check(signal) : Promise.reject(new Error('not ours')),
    connect: () => new HecConnection(config, next++),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
