// The suite of queue sinks: against a real endpoint with acknowledgement, and against the stub, which refuses poison and loses acknowledgements.
import { setTimeout as delay } from 'node:timers/promises';
import { startFaultProxy } from '../../fault-proxy.ts';
import { startHec } from '../../targets/hec.ts';
import { startHecStub, type Answer, type EventsRequest } from '../../targets/hec-stub.ts';
import { queueSinkConformance, type TargetTrouble } from '../queue/conformance.ts';
import { splunkConfig } from './splunk-config.ts';

const SLOW_MS = 300;

function counted(ids: Iterable<unknown>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(String(id), (counts.get(String(id)) ?? 0) + 1);
  return counts;
}

queueSinkConformance('Splunk HEC (a real endpoint, with acknowledgement)', {
  exactlyOnceById: false,
  async open() {
    const hec = await startHec();
    const proxy = await startFaultProxy(hec.endpoint);
    return {
      config: splunkConfig({
        endpoints: [proxy.endpoint],
        token: hec.token,
        ack: { enabled: true, poll: 100, timeout: 5000 },
      }),
      stored: async () => counted(hec.events().map(({ fields }) => fields['id'])),
      poison: () => null,
      async trouble(kind) {
        proxy.rule = () => {
          if (kind === 'down') return 'never';
          if (kind === 'busy') return 503;
          return kind === 'slow' ? { until: delay(SLOW_MS) } : 'pass';
        };
        return kind !== 'forbidden';
      },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await hec[Symbol.asyncDispose]();
      },
    };
  },
});

const answer = (kind: TargetTrouble, { number, events }: EventsRequest): Answer => {
  if (kind === 'down') return { kind: 'cut', taken: number % 2 === 0 };
  if (kind === 'busy') return { kind: 'refuse', code: 9, retryAfter: '1' };
  if (kind === 'forbidden') return { kind: 'refuse', code: 4 };
  const invalidEvent = events.findIndex((json) => json.includes('"poison":true'));
  if (invalidEvent >= 0) return { kind: 'refuse', code: 6, invalidEvent };
  const ack = number % 10 === 0 ? 'never' : 'at once';
  return { kind: 'take', ack, ...(kind === 'slow' ? { after: delay(SLOW_MS) } : {}) };
};

queueSinkConformance('Splunk HEC (a stub that refuses events and loses acknowledgements)', {
  exactlyOnceById: false,
  async open() {
    const stub = await startHecStub();
    const trouble = (kind: TargetTrouble): Promise<boolean> => {
      stub.onEvents = (request) => answer(kind, request);
      stub.onAck = () => (kind === 'down' ? 'lose' : 'tell');
      return Promise.resolve(true);
    };
    await trouble(null);
    return {
      config: splunkConfig({
        endpoints: [stub.endpoint],
        token: stub.token,
        ack: { enabled: true, poll: 50, timeout: 1000 },
      }),
      stored: async () =>
        counted(stub.indexed.map((json) => (JSON.parse(json) as { fields: { id: string } }).fields.id)),
      poison: () => ({ poison: true }),
      trouble,
      [Symbol.asyncDispose]: () => stub[Symbol.asyncDispose](),
    };
  },
});
