// The HTTP input: a socket, requests in, answers out. The request's sender is acknowledged by the answer, once `accept` has resolved; who
// gets no 200 or 202 sends again (`retry` tells whether that may help).
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastify, { type FastifyInstance } from 'fastify';
import { ByteBudget } from '#core/byte-budget.ts';
import { LETTERS_PATH } from '#core/dead-letter.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import type { NamedType } from '#core/event.ts';
import { codingOf, inflate, readBody, type Body } from '#core/io/http-body.ts';
import { closeWithin, HTTP_LIMITS, type HttpLimits, listenAt, serverOptions } from '#core/io/http-server.ts';
import type { Level } from '#core/config/config.ts';
import type { HttpInputConfig } from '#core/config/input-config.ts';
import type { LetterIntake } from '../../letters.ts';
import type { Accepted, Input, InputContext } from '../contract.ts';
import { EventWriter } from '../event-writer.ts';
import type { OtlpCoding } from '../otlp/messages.ts';
import { takeLogs } from '../otlp/take.ts';
import {
  answerAccepted,
  answerLogs,
  answerLogsRefused,
  answerNone,
  answerRefused,
  otlpCoding,
  type Answer,
} from './answer.ts';
import { createTaker, type Taken, type Taker } from './events.ts';
import { readHead, type RequestHead } from './request.ts';

export interface HttpInputOptions extends HttpInputConfig, InputContext {
  /** Null where nobody may hand over dead letters. */
  readonly letters: LetterIntake | null;
  /** Milliseconds; the defaults are meant for production. */
  readonly limits?: Partial<HttpLimits>;
}

/** Of log records of OpenTelemetry that have no event name. */
const LOG_TYPE = 'otel.log';
const RETRY_AFTER = 1;
/** Bytes of bodies that all requests together may hold. */
const BUDGET = 64 * 2 ** 20;

/** Resolves once the socket is bound. Closing refuses new requests (503), lets those in flight be answered, and ends in `limits.close`. */
export async function createHttpInput(options: HttpInputOptions): Promise<Input> {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const service = new Service(options);
  const app = createApp(service, limits);
  const address = await listenAt(app, options.listen, limits);
  let closed: Promise<void> | null = null;
  return {
    address,
    [Symbol.asyncDispose]: () => {
      service.closing = true;
      return (closed ??= closeWithin(app, limits.close));
    },
  };
}

function createApp(service: Service, limits: HttpLimits): FastifyInstance {
  const app = fastify({
    ...serverOptions(limits, (refused) => {
      service.options.observe.refused(refused.code);
      return String(answerRefused(refused, RETRY_AFTER).body);
    }),
    frameworkErrors: (_error, _request, reply) => {
      reply.hijack();
      service.refuse(reply.raw, refusal('path-invalid'));
    },
  });
  // Everything is done here, before fastify would parse: its content types and async resources cost a fifth of a small request.
  app.addHook('onRequest', (request, reply) => {
    reply.hijack();
    service.serve(request.raw, reply.raw);
  });
  app.post('/*', () => undefined);
  return app;
}

class Service {
  readonly options: HttpInputOptions;
  readonly budget: ByteBudget;
  closing = false;
  readonly #take: Taker;
  readonly #logs: EventWriter;
  readonly #logType: NamedType;

  constructor(options: HttpInputOptions) {
    this.options = options;
    this.budget = new ByteBudget(Math.max(BUDGET, 2 * options.maxBody));
    this.#take = createTaker(options);
    this.#logs = new EventWriter(options, 'otlp');
    const named = this.#logs.namer(LOG_TYPE);
    if (named.kind === 'refused') throw new Error(named.message); // it is a good one, as are those of `types:`
    this.#logType = named;
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
    const logs = letters === null ? otlpCoding(request.url ?? '', request.headers['content-type']) : null;
    if (typeof logs === 'object' && logs !== null) return pending.refuse(logs);
    pending.logs = logs;
    const asked = logs === null ? readHead(request as RequestHead, level) : { kind: 'logs' as const, level };
    if (asked.kind === 'refused') return pending.refuse(asked);
    const coding = codingOf(request.headers['content-encoding']);
    if (typeof coding === 'object') return pending.refuse(coding);
    const plain = coding === 'none' ? body : inflate(body, coding, maxBody, this.budget);
    pending.held = plain.kind === 'refused' ? 0 : plain.held;
    if (plain.kind === 'refused') return pending.refuse(plain);
    const taken =
      letters?.take(plain.bytes) ??
      (asked.kind === 'logs'
        ? takeLogs(this.#logs, plain.bytes, logs ?? 'json', this.#logType, this.options.maxEvent)
        : this.#take(plain.bytes, asked, request.headers));
    if (taken.kind === 'refused') return pending.refuse(taken);
    for (const error of taken.errors) observe.refused(error.refusal.code);
    if (taken.count === 0)
      return pending.answer(logs === null ? answerNone(taken.errors) : answerLogs(logs, 0, taken.errors));
    pending.taken(asked.level, taken);
    const { accept } = letters ?? this.options;
    accept(taken.groups, asked.level, 'http').then(pending.accepted, pending.fault);
  }

  refuse(response: ServerResponse, refused: Refusal, retryAfter = RETRY_AFTER, logs: OtlpCoding | null = null): void {
    this.options.observe.refused(refused.code);
    this.answer(
      response,
      logs === null ? answerRefused(refused, retryAfter) : answerLogsRefused(logs, refused, retryAfter),
    );
  }

  answer(response: ServerResponse, { status, body, headers, contentType = 'application/json' }: Answer): void {
    if (response.destroyed) return;
    const all = ['content-type', contentType, 'content-length', String(Buffer.byteLength(body)), ...headers];
    if (this.closing) all.push('connection', 'close');
    response.writeHead(status, all);
    response.end(body);
  }
}

/** One request between its body and its answer. */
class Pending {
  readonly #service: Service;
  readonly #response: ServerResponse;
  /** Of the budget, to be given back with the answer. */
  held: number;
  /** Set where it is one of OTLP, which has answers of its own. */
  logs: OtlpCoding | null = null;
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
    this.answer(
      this.logs !== null
        ? answerLogs(this.logs, count, errors)
        : answerAccepted(this.#level, result.level, count, result.receipts, errors),
    );
  };

  readonly fault = (error: unknown): void => {
    this.#service.options.observe.fault(error);
    this.refuse(refusal('disk', '', '(an unexpected fault, told in its log)'));
  };

  refuse(refused: Refusal, retryAfter = RETRY_AFTER): void {
    this.#service.budget.release(this.held);
    this.#service.refuse(this.#response, refused, retryAfter, this.logs);
  }

  answer(answer: Answer): void {
    this.#service.budget.release(this.held);
    this.#service.answer(this.#response, answer);
  }
}
