// The HTTP input: a socket, requests in, answers out. The request's sender is acknowledged by the answer, once `accept` has resolved; who
// gets no 200 or 202 sends again (`retry` tells whether that may help).
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { ByteBudget } from '#core/byte-budget.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { codingOf, inflate, readBody, type Body } from '#core/io/http-body.ts';
import { formatAddress, parseAddress } from '#core/units.ts';
import type { Level } from '#core/config/config.ts';
import type { HttpInputConfig } from '#core/config/input-config.ts';
import { LETTERS_PATH, type LetterIntake } from '../../letters.ts';
import type { Accepted, Input, InputContext } from '../contract.ts';
import { answerAccepted, answerNone, answerRefused, type Answer } from './answer.ts';
import { createTaker, type Taken, type Taker } from './events.ts';
import { readHead, type RequestHead } from './request.ts';

export interface HttpInputOptions extends HttpInputConfig, InputContext {
  /** Null where nobody may hand over dead letters. */
  readonly letters: LetterIntake | null;
  /** Milliseconds; the defaults are meant for production. */
  readonly limits?: Partial<HttpLimits>;
}

export interface HttpLimits {
  /** For a request's headers and body to arrive. */
  readonly request: number;
  /** For the headers alone. */
  readonly headers: number;
  /** An idle connection is kept so long. */
  readonly keepAlive: number;
  /** Requests in flight when closing begins are given so long. */
  readonly close: number;
}

const DEFAULT_LIMITS: HttpLimits = { request: 30_000, headers: 10_000, keepAlive: 72_000, close: 10_000 };
const MAX_CONNECTIONS = 4096;
const MAX_HEADER_BYTES = 16 * 1024;
const RETRY_AFTER = 1;
/** Bytes of bodies that all requests together may hold. */
const BUDGET = 64 * 2 ** 20;

/** Resolves once the socket is bound. Closing refuses new requests (503), lets those in flight be answered, and ends in `limits.close`. */
export async function createHttpInput(options: HttpInputOptions): Promise<Input> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const address = parseAddress(options.listen);
  if (address === null) throw new TypeError(`inputs.http.listen: "${options.listen}" is no host:port`);
  const state = new Service(options);
  const app = createApp(state, limits);
  await app.listen({ host: address.host, port: address.port, backlog: 1024 });
  const { port } = app.server.address() as AddressInfo; // listening on TCP
  let closed: Promise<void> | null = null;
  return {
    address: `http://${formatAddress({ host: address.host, port })}`,
    [Symbol.asyncDispose]: () => (closed ??= close(app, state, limits.close)),
  };
}

function createApp(service: Service, limits: HttpLimits): FastifyInstance {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false, // with our own body and Retry-After
    forceCloseConnections: false,
    requestTimeout: limits.request,
    keepAliveTimeout: limits.keepAlive,
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    http: {
      headersTimeout: Math.min(limits.headers, limits.request),
      connectionsCheckingInterval: Math.min(1000, limits.headers, limits.request),
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => service.clientError(error, socket, limits.request),
    frameworkErrors: (_error, _request, reply) => {
      reply.hijack();
      service.refuse(reply.raw, refusal('path-invalid'));
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  // Everything is done here, before fastify would parse: its content types and async resources cost a fifth of a small request.
  app.addHook('onRequest', (request, reply) => {
    reply.hijack();
    service.serve(request.raw, reply.raw);
  });
  app.post('/*', () => undefined);
  return app;
}

async function close(app: FastifyInstance, service: Service, deadline: number): Promise<void> {
  service.closing = true;
  const timer = setTimeout(() => app.server.closeAllConnections(), deadline);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

class Service {
  readonly options: HttpInputOptions;
  readonly budget: ByteBudget;
  closing = false;
  readonly #take: Taker;

  constructor(options: HttpInputOptions) {
    this.options = options;
    this.budget = new ByteBudget(Math.max(BUDGET, 2 * options.maxBody));
    this.#take = createTaker(options);
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'POST') return this.refuse(response, refusal('method-unsupported', '', 'POST'));
    if (this.closing) return this.refuse(response, refusal('closing'));
    const letters = request.url?.startsWith(LETTERS_PATH) === true ? this.options.letters : null;
    if (letters?.allows(request.headers.authorization) === false) return this.refuse(response, refusal('key-unknown'));
    readBody(request, this.options.maxBody, this.budget, (body) => {
      if (body.kind === 'refused') return this.refuse(response, body);
      const pending = new Pending(this, response, body.held);
      try {
        this.#post(request, pending, body, letters);
      } catch (error) {
        pending.fault(error);
      }
    });
  }

  #post(request: IncomingMessage, pending: Pending, body: Body, letters: LetterIntake | null): void {
    const { level, maxBody, observe } = this.options;
    const asked = readHead(request as RequestHead, level);
    if (asked.kind === 'refused') return pending.refuse(asked);
    const coding = codingOf(request.headers['content-encoding']);
    if (typeof coding === 'object') return pending.refuse(coding);
    const plain = coding === 'none' ? body : inflate(body, coding, maxBody, this.budget);
    pending.held = plain.kind === 'refused' ? 0 : plain.held;
    if (plain.kind === 'refused') return pending.refuse(plain);
    const taken = letters?.take(plain.bytes) ?? this.#take(plain.bytes, asked, request.headers);
    if (taken.kind === 'refused') return pending.refuse(taken);
    for (const error of taken.errors) observe.refused(error.refusal.code);
    if (taken.count === 0) return pending.answer(answerNone(taken.errors));
    pending.taken(asked.level, taken);
    const { accept } = letters ?? this.options;
    accept(taken.groups, asked.level, 'http').then(pending.accepted, pending.fault);
  }

  refuse(response: ServerResponse, refused: Refusal, retryAfter = RETRY_AFTER): void {
    this.options.observe.refused(refused.code);
    this.answer(response, answerRefused(refused, retryAfter));
  }

  answer(response: ServerResponse, { status, body, headers }: Answer): void {
    if (response.destroyed) return;
    const all = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), ...headers];
    if (this.closing) all.push('connection', 'close');
    response.writeHead(status, all);
    response.end(body);
  }

  /** What node:http itself refuses: slow, too large or malformed heads, before or instead of a request. */
  clientError(error: Error & { code?: string }, socket: Socket, requestLimit: number): void {
    if (!socket.writable || error.code === 'ECONNRESET') {
      socket.destroy();
      return;
    }
    const [status, refused] =
      error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? (['408 Request Timeout', refusal('body-slow', '', requestLimit / 1000)] as const)
        : error.code === 'HPE_HEADER_OVERFLOW'
          ? ([
              '431 Request Header Fields Too Large',
              refusal('request-malformed', '', `its header is larger than ${MAX_HEADER_BYTES} bytes`),
            ] as const)
          : (['400 Bad Request', refusal('request-malformed')] as const);
    this.options.observe.refused(refused.code);
    const { body } = answerRefused(refused, RETRY_AFTER);
    const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n`;
    socket.end(head + body, () => socket.destroy());
  }
}

/** One request between its body and its answer. */
class Pending {
  readonly #service: Service;
  readonly #response: ServerResponse;
  /** Of the budget, to be given back with the answer. */
  held: number;
  #level: Level = 'disk';
  #taken: Taken = { kind: 'taken', groups: [], count: 0, errors: [] };

  constructor(service: Service, response: ServerResponse, held: number) {
    this.#service = service;
    this.#response = response;
    this.held = held;
  }

  taken(level: Level, taken: Taken): void {
    this.#level = level;
    this.#taken = taken;
  }

  readonly accepted = (result: Accepted): void => {
    if (result.kind === 'refused')
      return this.refuse(
        refusal(result.reason, '', result.message === '' ? '' : `(${result.message})`),
        result.retryAfter,
      );
    const { count, errors } = this.#taken;
    this.#service.options.observe.accepted(count);
    this.answer(answerAccepted(this.#level, result.level, count, result.receipts, errors));
  };

  readonly fault = (error: unknown): void => {
    this.#service.options.observe.fault(error);
    this.refuse(refusal('disk', '', '(an unexpected fault, told in its log)'));
  };

  refuse(refused: Refusal, retryAfter = RETRY_AFTER): void {
    this.#service.budget.release(this.held);
    this.#service.refuse(this.#response, refused, retryAfter);
  }

  answer(answer: Answer): void {
    this.#service.budget.release(this.held);
    this.#service.answer(this.#response, answer);
  }
}
