// RabbitMQ's management API (HTTP, JSON): one site through any of its nodes, each call with a deadline.
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, fetch, type Response } from 'undici';
import type { SiteTls } from '#core/config/config.ts';
import { clientTls } from '#core/io/tls.ts';

/** The broker's answer was no, or nothing answered. `status` is 0 where no node answered. */
export class ManagementError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.name = 'ManagementError';
    this.status = status;
  }
}

export interface Management {
  /** The node that answered last. */
  readonly url: string;
  /** Null for 404. */
  get(path: string): Promise<unknown>;
  send(method: 'PUT' | 'POST' | 'DELETE', path: string, body: unknown): Promise<void>;
}

const DEADLINE = 15_000;
/** A node that has just started answers some calls with 500 for a second or two (4.3.6: `/api/nodes`). */
const ATTEMPTS = 20;
const PAUSE = 250;

/** A path below /api, each part encoded. */
export const path = (...parts: readonly string[]): string => `/api/${parts.map(encodeURIComponent).join('/')}`;

/** Every call may be repeated safely (declarations are idempotent), so a node that does not answer, or fails, is followed by the next. */
export function management(
  urls: readonly string[],
  user: string,
  password: string,
  tls: SiteTls | null = null,
): Management {
  // Node's own fetch knows no authorities of one's own.
  const dispatcher = tls === null ? undefined : new Agent({ connect: clientTls(tls) });
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  let current = 0;
  const nodeAt = (turn: number): string => (urls[turn % urls.length] ?? '').replace(/\/$/, '');

  const request = async (method: string, where: string, body?: unknown): Promise<Response> => {
    for (let attempt = 1; ; attempt++) {
      const response = await ask(method, where, body);
      if (response.status < 500 || attempt === ATTEMPTS) return response;
      await response.body?.cancel();
      current++;
      await delay(PAUSE);
    }
  };

  const ask = async (method: string, where: string, body: unknown): Promise<Response> => {
    const failures: string[] = [];
    for (let turn = current; turn < current + urls.length; turn++) {
      try {
        const response = await fetch(nodeAt(turn) + where, {
          method,
          headers: { authorization, 'content-type': 'application/json' },
          signal: AbortSignal.timeout(DEADLINE),
          ...(dispatcher && { dispatcher }),
          ...(body !== undefined && { body: JSON.stringify(body) }),
        });
        current = turn % urls.length;
        return response;
      } catch (error) {
        failures.push(`${nodeAt(turn)}: ${cause(error)}`);
      }
    }
    throw new ManagementError(`no management node answers (${failures.join('; ')})`, 0);
  };

  return {
    get url() {
      return nodeAt(current);
    },
    async get(where) {
      const response = await request('GET', where);
      if (response.status === 404) {
        await response.body?.cancel();
        return null;
      }
      if (!response.ok) throw await refusal('GET', where, user, response);
      return response.json();
    },
    async send(method, where, body) {
      const response = await request(method, where, body);
      if (!response.ok && !(method === 'DELETE' && response.status === 404))
        throw await refusal(method, where, user, response);
      await response.body?.cancel();
    },
  };
}

async function refusal(method: string, where: string, user: string, response: Response): Promise<ManagementError> {
  const answer = await response.text();
  let reason = answer.slice(0, 500);
  try {
    const parsed = JSON.parse(answer) as { reason?: unknown; error?: unknown };
    reason = JSON.stringify(parsed.reason ?? parsed.error ?? parsed);
  } catch {
    // Not JSON: a proxy's page, say.
  }
  return new ManagementError(
    `${method} ${decodeURIComponent(where)} as ${user}: ${response.status} ${reason}`,
    response.status,
  );
}

function cause(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${DEADLINE / 1000} s`;
  const { cause: inner } = error;
  if (!(inner instanceof Error)) return error.message;
  return inner.message || ('code' in inner ? String(inner.code) : inner.name);
}
