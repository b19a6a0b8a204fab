// Bee on its socket: who asks is known before a body is read, and a body is inflated only then. The sender is acknowledged by the answer, once the
// agent has what is accepted.
import { isIP } from 'node:net';
import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ByteBudget } from '#core/byte-budget.ts';
import type { BeeConfig } from '#core/config/bee-config.ts';
import { refusal, type Refusal } from '#core/errors.ts';
import { ListenRefused } from '#core/io/admin.ts';
import { codingOf, inflate, readBody, type Body } from '#core/io/http-body.ts';
import { closeWithin, HTTP_LIMITS, type HttpLimits, listenAt, serverOptions } from '#core/io/http-server.ts';
import type { Clock } from '#core/uuid.ts';
import { answerRefused, type Answer } from './answer.ts';
import type { Judging } from './judging.ts';
import type { Keyring, Sender } from './keys.ts';
import { keyOf, readAsked, type Way } from './request.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set before a body is read. */
    sender: Sender | null;
  }
}

/** A page or document that anybody may read. */
export interface PublicPage {
  readonly path: string;
  readonly type: string;
  readonly text: () => string;
}

export interface BeeHttpOptions {
  readonly bee: BeeConfig;
  readonly site: string;
  readonly host: string;
  readonly judging: Pick<Judging, 'answer'>;
  readonly keyring: Keyring;
  readonly pages: readonly PublicPage[];
  readonly clock: Clock;
  readonly observe: {
    /** A request refused as a whole. */
    refused(code: string): void;
    /** A bug: answered with 503, so that the sender tries again. */
    fault(error: unknown): void;
  };
  readonly limits?: Partial<HttpLimits>;
}

export interface BeeHttp extends AsyncDisposable {
  /** `http://host:port`. */
  readonly address: string;
}

/** Beyond what sendBeacon takes no browser sends. */
const BEACON_BYTES = 64 * 1024;
/** Bytes of bodies that all requests together may hold. */
const BUDGET = 64 * 2 ** 20;
/** Keys and addresses whose requests are counted at a time; the least recent is forgotten. */
const COUNTED = 20_000;
const RETRY_AFTER = 2;
const PREFLIGHT_SECONDS = 86_400;

/** Resolves once it listens; rejects with ListenRefused where it cannot. Closing lets what is in flight be answered. */
export async function createBeeHttp(options: BeeHttpOptions): Promise<BeeHttp> {
  const limits = { ...HTTP_LIMITS, ...options.limits };
  const app = await createApp(options, limits);
  const address = await listenAt(app, options.bee.listen, limits).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new ListenRefused(`bee.listen: ${why}; where another service has this address, give each its own`, {
      cause: error,
    });
  });
  let closed: Promise<void> | null = null;
  return { address, [Symbol.asyncDispose]: () => (closed ??= closeWithin(app, limits.close)) };
}

async function createApp(options: BeeHttpOptions, limits: HttpLimits): Promise<FastifyInstance> {
  const { bee, observe } = options;
  const refuse = (reply: FastifyReply, refused: Refusal, retryAfter = RETRY_AFTER): FastifyReply => {
    observe.refused(refused.code);
    return send(reply, answerRefused(refused, retryAfter));
  };
  const app = fastify({
    ...serverOptions(limits, (refused) => {
      observe.refused(refused.code);
      return answerRefused(refused, RETRY_AFTER).body;
    }),
    trustProxy: bee.trustedProxies.length === 0 ? false : [...bee.trustedProxies],
    frameworkErrors: (_error, _request, reply) => void refuse(reply, refusal('path-invalid')),
  });
  app.decorateRequest('sender', null);
  app.setNotFoundHandler((_request, reply) => refuse(reply, nothingThere()));
  app.setErrorHandler((error, _request, reply) => {
    observe.fault(error);
    return refuse(reply, refusal('agent-unavailable'));
  });
  await app.register(cors, {
    origin: bee.origins.includes('*') ? '*' : [...bee.origins],
    methods: ['POST'],
    allowedHeaders: ['authorization', 'content-type', 'content-encoding'],
    exposedHeaders: ['retry-after', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'],
    maxAge: PREFLIGHT_SECONDS,
    strictPreflight: false,
  });
  await app.register(rateLimit, { global: false, timeWindow: bee.rate.window, cache: COUNTED });
  const ofAddress = app.createRateLimit({ max: bee.rate.address, keyGenerator: ({ ip }) => `address ${ip}` });
  const ofKey = app.createRateLimit({ max: bee.rate.key, keyGenerator: ({ sender }) => `key ${sender?.name ?? ''}` });

  /** Whether the limit lets it pass; the headers tell of the limit that is nearer. */
  const within = async (
    limit: typeof ofKey,
    request: FastifyRequest,
    reply: FastifyReply,
    whose: string,
  ): Promise<boolean> => {
    const found = await limit(request);
    if (found.isAllowed) return true;
    if (Number(reply.getHeader('ratelimit-remaining') ?? Infinity) >= found.remaining)
      reply.headers({
        'ratelimit-limit': found.max,
        'ratelimit-remaining': found.remaining,
        'ratelimit-reset': found.ttlInSeconds,
      });
    if (!found.isExceeded) return true;
    refuse(reply, refusal('rate-exceeded', '', whose), found.ttlInSeconds);
    return false;
  };
  const admit = async (way: Way, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    if (!(await within(ofAddress, request, reply, 'address'))) return reply;
    const key = keyOf(request.headers.authorization, queryOf(request), way);
    if (key === null) {
      reply.header('www-authenticate', 'Bearer');
      return refuse(reply, refusal('key-missing', '', way === 'beacon' ? 'or the key in the query, ?key=KEY' : ''));
    }
    request.sender = options.keyring.find(key);
    if (request.sender === null) return refuse(reply, refusal('key-unknown'));
    return (await within(ofKey, request, reply, 'key')) ? undefined : reply;
  };

  const budget = new ByteBudget(Math.max(BUDGET, 2 * bee.maxBody));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, raw, done) => {
    readBody(raw, wayLimit(request, bee.maxBody), budget, (body) => done(null, body));
  });
  for (const way of ['events', 'beacon'] as const) {
    const url = `/v1/${way}`;
    app.post(url, { onRequest: (request, reply) => admit(way, request, reply) }, async (request, reply) => {
      const read = (request.body ?? refusal('body-empty')) as Body | Refusal;
      return read.kind === 'refused' ? refuse(reply, read) : post(way, request, reply, read);
    });
    app.route({
      method: ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE'],
      url,
      onRequest: (_request, reply, done) => {
        reply.header('allow', 'POST');
        refuse(reply, refusal('method-unsupported', '', 'POST'));
        void done;
      },
      handler: (_request, reply) => reply,
    });
  }
  for (const { path, type, text } of options.pages)
    app.get(path, (_request, reply) =>
      reply.type(type).header('cache-control', 'no-cache').headers(PAGE_HEADERS).send(text()),
    );

  const post = async (way: Way, request: FastifyRequest, reply: FastifyReply, body: Body): Promise<FastifyReply> => {
    let { held } = body;
    try {
      const { headers, sender } = request;
      const asked = readAsked(queryOf(request), headers['content-type'], way, bee.level);
      if (asked.kind === 'refused') return refuse(reply, asked);
      const coding = codingOf(headers['content-encoding']);
      if (typeof coding === 'object') return refuse(reply.header('accept-encoding', 'gzip, zstd'), coding);
      held = 0; // `inflate` gives it back, and takes anew
      const plain = coding === 'none' ? body : inflate(body, coding, bee.maxBody, budget);
      if (plain.kind === 'refused') return refuse(reply, plain);
      ({ held } = plain);
      if (sender === null) return refuse(reply, refusal('key-missing'));
      const received = options.clock();
      const receiving = {
        sent: asked.sent,
        received,
        address: addressOf(request),
        tolerance: bee.clockSkew,
        site: options.site,
        host: options.host,
      };
      const answer = await options.judging.answer({ body: plain.bytes, asked, sender, receiving });
      if (answer.code !== null) observe.refused(answer.code);
      return send(reply, answer);
    } finally {
      budget.release(held);
    }
  };
  return app;
}

const queryOf = ({ raw }: FastifyRequest): URLSearchParams => {
  const url = raw.url ?? '';
  const mark = url.indexOf('?');
  return new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
};

const wayLimit = ({ url }: FastifyRequest, maxBody: number): number =>
  url.startsWith('/v1/beacon') ? Math.min(BEACON_BYTES, maxBody) : maxBody;

/** What a trusted proxy says may still be no address. */
const addressOf = ({ ip, socket }: FastifyRequest): string => (isIP(ip) === 0 ? (socket.remoteAddress ?? '') : ip);

const nothingThere = (): Refusal => ({
  ...refusal('path-unknown'),
  message: 'There is nothing at this path; post to /v1/events or /v1/beacon, and see /rules and /v1/openapi.json.',
});

/** Pages load nothing from elsewhere, and run no scripts. */
const PAGE_HEADERS = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  'x-content-type-options': 'nosniff',
};

function send(reply: FastifyReply, { status, body, retryAfter }: Answer): FastifyReply {
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  return reply.code(status).type('application/json').send(body);
}
