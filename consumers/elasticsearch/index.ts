// The Elasticsearch sink's wiring: from its configuration to what the loop asks of a queue sink.
import type { ElasticsearchSinkConfig } from '#core/config/sink-config.ts';
import type { Connection, Outcome, QueueSink } from '../queue/contract.ts';
import { documentEncoder } from './encode.ts';
import { ElasticsearchConnection, type Api } from './send.ts';
import { installTemplate } from './template.ts';

const MIB = 1_048_576;
/** http.max_content_length is 100 MB unless configured. */
const LIMIT = { bytes: 95 * MIB, events: 100_000 } as const;
const DONE = { kind: 'done', repeated: 0 } satisfies Outcome;

/** Opens nothing yet. `tell` hears once of a template that could not be installed for want of a right. */
export function openElasticsearchSink(
  config: ElasticsearchSinkConfig,
  tell: (message: string) => void = (message) => process.emitWarning(message),
): QueueSink<Buffer> {
  // Not every process is to begin with the first node.
  let next = Math.floor(Math.random() * config.nodes.length);
  let told = false;
  const prepared = async (api: Api): Promise<Outcome> => {
    const installed = await installTemplate(api, config);
    if (installed.kind === 'installed') return DONE;
    if (installed.kind !== 'without') return installed;
    if (!told) tell(`${installed.message} The sink goes on without it.`);
    told = true;
    return DONE;
  };
  return {
    limit: LIMIT,
    encode: documentEncoder(config),
    connect: () => new ElasticsearchConnection(config, next++),
    ...(config.template && {
      async prepare(connection: Connection<Buffer>, signal: AbortSignal): Promise<Outcome> {
        if (!(connection instanceof ElasticsearchConnection)) throw new TypeError('not a connection of this sink');
        let outcome: Outcome = DONE;
        for (const _ of config.nodes) {
          outcome = await connection.request(signal, prepared);
          if (outcome.kind !== 'retry' || signal.aborted) break; // else it is the next node's turn
        }
        return outcome;
      },
    }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
