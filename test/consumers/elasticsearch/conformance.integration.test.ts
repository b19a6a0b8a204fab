// The suite of queue sinks against a real Elasticsearch, behind a proxy that makes the trouble.
import { startElasticsearch } from '../../targets/elasticsearch.ts';
import { queueSinkConformance, type TargetTrouble } from '../queue/conformance.ts';
import { countsOf } from './documents.ts';
import { elasticsearchConfig } from './elasticsearch-config.ts';
import { Front, type Manner } from './front.ts';

const TROUBLES: Readonly<Record<Exclude<TargetTrouble, 'down' | null>, Manner>> = {
  busy: {
    status: 429,
    headers: { 'retry-after': '1' },
    body: { error: { type: 'es_rejected_execution_exception', reason: 'by the proxy' }, status: 429 },
  },
  forbidden: {
    status: 401,
    body: { error: { type: 'security_exception', reason: 'unable to authenticate user' }, status: 401 },
  },
  slow: 'slow',
};

queueSinkConformance('Elasticsearch', {
  exactlyOnceById: true,
  async open() {
    const server = await startElasticsearch();
    const front = await Front.before(server.endpoint);
    return {
      config: elasticsearchConfig({ nodes: [front.endpoint] }),
      stored: () => countsOf(server, 'waggle-*'),
      poison: () => ({ a: 1, 'a.b': 2 }),
      async trouble(kind) {
        if (kind === 'down') await front.down();
        else {
          front.manner = () => (kind === null ? 'pass' : TROUBLES[kind]);
          await front.up();
        }
        return true;
      },
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
});
