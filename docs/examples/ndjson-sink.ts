// A sink that posts events as NDJSON to an HTTP endpoint. Options: { url }.
import { Agent, request } from 'node:http';
// From a folder of your own: 'waggle/sink'.
import { SinkConfigInvalid, type Connection, type OpenSink, type Outcome } from '../../consumers/queue/contract.ts';

export const openSink: OpenSink = ({ url }, { timeout }) => {
  if (typeof url !== 'string' || URL.parse(url)?.protocol !== 'http:')
    throw new SinkConfigInvalid('url must be an http: URL');
  return {
    limit: { bytes: 1_000_000, events: 10_000 },
    encode: (event) => ({ kind: 'encoded', body: event.line, bytes: event.line.length + 1 }),
    connect: () => open(url, timeout),
    async [Symbol.asyncDispose]() {},
  };
};

function open(url: string, timeout: number): Connection<Buffer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    send(batch, signal) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      const failed = ({ name, message }: Error): void => resolve({ kind: 'retry', code: name, message, after: null });
      const options = { method: 'POST', agent, headers: { 'content-type': 'application/x-ndjson' } };
      const either = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
      const asked = request(url, { ...options, signal: either }, (answer) => {
        const { statusCode = 0, headers } = answer;
        answer.on('error', failed).on('end', () => resolve(outcomeOf(statusCode, headers['retry-after'])));
        answer.resume();
      });
      asked.on('error', failed);
      for (const line of batch) asked.write(`${line.toString('utf8')}\n`);
      asked.end();
      return promise;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}

function outcomeOf(status: number, retryAfter = ''): Outcome {
  const seconds = Number.parseInt(retryAfter, 10);
  const after = seconds >= 0 ? seconds * 1000 : null;
  const said = { code: `http-${status}`, message: `the endpoint answered with status ${status}` };
  if (status >= 200 && status < 300) return { kind: 'done', repeated: 0 };
  if (status === 408 || status === 429 || status >= 500) return { kind: 'retry', ...said, after };
  // Something in the request: the loop finds out which event it is.
  if (status === 400 || status === 413 || status === 422) return { kind: 'rejected', ...said };
  return { kind: 'paused', ...said, after };
}
