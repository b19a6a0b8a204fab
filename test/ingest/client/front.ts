// A server before an agent's HTTP input that does as it is told: hands on, answers itself, or loses the answer.
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type Turn =
  | 'pass'
  /** The agent has it, and the client does not hear of it. */
  | 'lose'
  | { readonly status: number; readonly retryAfter: string | null };

export interface Front extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly at: number; readonly body: string }[];
}

export async function front(agent: string, turns: Turn[]): Promise<Front> {
  const requests: { at: number; body: string }[] = [];
  const pass = async (request: IncomingMessage, body: Buffer<ArrayBuffer>): Promise<Response> =>
    fetch(`${agent}${request.url ?? ''}`, {
      method: 'POST',
      headers: { 'content-type': request.headers['content-type'] ?? '' },
      body,
    });
  const server = createServer((request, response) => {
    void (async () => {
      const body = Buffer.from(await buffer(request));
      requests.push({ at: performance.now(), body: body.toString('utf8') });
      const turn = turns.shift() ?? 'pass';
      if (typeof turn === 'object') {
        response.writeHead(turn.status, turn.retryAfter === null ? {} : { 'retry-after': turn.retryAfter }).end('busy');
        return;
      }
      const answer = await pass(request, body);
      if (turn === 'lose') request.socket.destroy();
      else response.writeHead(answer.status).end(await answer.text());
    })();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
