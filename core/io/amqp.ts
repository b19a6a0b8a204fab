// One AMQP 0-9-1 connection to one site that comes back by itself, through the site's nodes in turn.
//
//   const link = openAmqpLink(
//     { site: 'chicago', nodes: config.sites[0].nodes, user: 'agent', password, vhost: config.vhost, name: 'waggle agent host-1' },
//     {
//       onUp(connection) { … make channels on `connection` … },   // after every (re)connect; channels of an earlier one are gone
//       onDown(reason) { … unconfirmed means unknown: send again later … },
//       onBlocked(reason) { … stop publishing … },
//       onUnblocked() { … go on … },
//       async drain(signal) { … wait for confirms, close channels … },
//     },
//   );
//   link.state;            // { kind: 'connecting' | 'up' | 'blocked' | 'down' | 'closed', … }
//   await link.up(signal); // resolves with the connection once there is one
//   await link.close();    // drain (bounded), connection.close, then the socket; idempotent
//
// Calls come in this order, never overlapping: onUp (onBlocked onUnblocked)* onDown, and again. Nothing is restored: the owner makes its channels
// anew, and an error in one of them is the owner's (listen for `error` on each channel). Handlers are told, not waited for, and must not throw:
// a throw drops the connection, so that a half-made owner is made again. No handler is called after `close` resolves.
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type ChannelModel } from 'amqplib';
import type { SiteTls } from '../config/config.ts';
import { clientTls } from './tls.ts';

export interface AmqpLinkOptions {
  /** Name of the site, for messages. */
  readonly site: string;
  /** `amqp://host:port`, one or more; each attempt takes the next, the first one by chance. */
  readonly nodes: readonly string[];
  readonly user: string;
  readonly password: string;
  readonly vhost: string;
  /** For nodes `amqps:`; unless given the system’s authorities, and no certificate of our own. */
  readonly tls?: SiteTls | null;
  /** Shown by the broker beside the connection. */
  readonly name: string;
}

export interface AmqpHandlers {
  onUp(connection: ChannelModel, node: string): void;
  /** The connection is gone, with all its channels; what was not confirmed is unknown. */
  onDown(reason: string): void;
  /** The broker takes no publishes now (memory or disk alarm). Ended by `onUnblocked` or `onDown`. */
  onBlocked?(reason: string): void;
  onUnblocked?(): void;
  /** Called by `close` while the connection is up. The signal aborts when the time for it is over. */
  drain?(signal: AbortSignal): Promise<void>;
}

/** `error` is for people; null before the first failure. */
export type AmqpState =
  | { readonly kind: 'connecting'; readonly node: string; readonly error: string | null }
  | { readonly kind: 'up'; readonly node: string }
  | { readonly kind: 'blocked'; readonly node: string; readonly reason: string }
  | { readonly kind: 'down'; readonly error: string }
  | { readonly kind: 'closed' };

export interface AmqpLink extends AsyncDisposable {
  readonly state: AmqpState;
  /** Resolves with the connection at once or when it is next up; rejects when the signal aborts or the link is closed. */
  up(signal: AbortSignal): Promise<ChannelModel>;
  /** Drops the connection now, without a goodbye, and connects again: for an owner that finds it silent. */
  reconnect(reason: string): void;
  close(): Promise<void>;
}

/** One attempt, TCP and handshake together. */
const CONNECT_TIMEOUT = 10_000;
const HEARTBEAT_SECONDS = 10;
const FIRST_DELAY = 100;
const LONGEST_DELAY = 5_000;
const DRAIN_TIMEOUT = 10_000;
const GOODBYE_TIMEOUT = 3_000;

/** Pause before attempt `attempt` (0, 1, 2 …): full jitter under a doubling ceiling, so that a fleet does not return as one. `random` is in [0, 1). */
export function reconnectDelay(attempt: number, random: number): number {
  return random * Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(attempt, 16));
}

export function openAmqpLink(options: AmqpLinkOptions, handlers: AmqpHandlers): AmqpLink {
  return new Link(options, handlers);
}

/** One connection without reconnection: for commands that do one thing. Rejects with an error for people. */
export async function connectAmqp(options: AmqpLinkOptions, signal?: AbortSignal): Promise<ChannelModel> {
  const errors: string[] = [];
  for (const node of options.nodes) {
    try {
      const connection = await dial(options, node, signal);
      connection.on('error', () => {}); // The owner's channels and confirms fail too, and tell.
      return connection;
    } catch (error) {
      errors.push(describe(options, node, error));
    }
  }
  throw new Error(errors.join('; '));
}

function dial(options: AmqpLinkOptions, node: string, signal?: AbortSignal): Promise<ChannelModel> {
  const url = new URL(node);
  const socket = {
    noDelay: true,
    keepAlive: true,
    keepAliveDelay: 10_000,
    timeout: CONNECT_TIMEOUT,
    clientProperties: { connection_name: options.name },
    ...(url.protocol === 'amqps:' && { ...clientTls(options.tls ?? null), servername: serverName(url.hostname) }),
    // net.connect hands it to the socket, which it destroys: the only way to end a connection whose peer is silent.
    ...(signal && { signal }),
  };
  return connect(
    {
      protocol: url.protocol.slice(0, -1),
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || (url.protocol === 'amqps:' ? 5671 : 5672)),
      username: options.user,
      password: options.password,
      vhost: encodeURIComponent(options.vhost),
      heartbeat: HEARTBEAT_SECONDS,
    },
    socket,
  );
}

/** An address is no name to ask for (RFC 6066, section 3). */
const serverName = (host: string): string => (isIP(host.replace(/^\[|\]$/g, '')) === 0 ? host : '');

function describe(options: AmqpLinkOptions, node: string, error: unknown): string {
  const text =
    error instanceof Error ? error.message || ('code' in error ? String(error.code) : error.name) : String(error);
  const refused = text.includes('ACCESS_REFUSED') || text.includes('403');
  return `site ${options.site}: ${node} as ${options.user}: ${text}${refused ? ' (see users in the configuration, and waggle topology plan)' : ''}`;
}

class Link implements AmqpLink {
  readonly #options: AmqpLinkOptions;
  readonly #handlers: AmqpHandlers;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #state: AmqpState;
  #connection: ChannelModel | null = null;
  /** Destroys the socket of the present connection. */
  #drop: AbortController = new AbortController();
  #dropReason: string | null = null;
  #waiting: ((connection: ChannelModel | null) => void)[] = [];
  #closed: Promise<void> | null = null;

  constructor(options: AmqpLinkOptions, handlers: AmqpHandlers) {
    if (options.nodes.length === 0) throw new Error(`site ${options.site} has no nodes`);
    this.#options = options;
    this.#handlers = handlers;
    this.#state = { kind: 'connecting', node: '', error: null };
    this.#running = this.#run();
  }

  get state(): AmqpState {
    return this.#state;
  }

  up(signal: AbortSignal): Promise<ChannelModel> {
    if (this.#connection) return Promise.resolve(this.#connection);
    return new Promise((resolve, reject) => {
      if (signal.aborted || this.#closing.signal.aborted) return reject(aborted(signal, this.#options.site));
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((each) => each !== settle);
        reject(aborted(signal, this.#options.site));
      };
      const settle = (connection: ChannelModel | null): void => {
        signal.removeEventListener('abort', onAbort);
        if (connection) resolve(connection);
        else reject(aborted(signal, this.#options.site));
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(settle);
    });
  }

  reconnect(reason: string): void {
    if (!this.#connection) return;
    this.#dropReason = reason;
    this.#drop.abort();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    let turn = Math.floor(Math.random() * this.#options.nodes.length);
    let error: string | null = null;
    for (let attempt = 0; !this.#closing.signal.aborted; turn++) {
      // Asked anew each time: a reload may have changed them.
      const { nodes } = this.#options;
      const node = nodes[turn % nodes.length] ?? '';
      this.#state = { kind: 'connecting', node, error };
      this.#drop = new AbortController();
      try {
        const connection = await this.#dial(node);
        const since = Date.now();
        error = `site ${this.#options.site}: ${node}: ${await this.#serve(connection, node)}`;
        // A node that takes us and drops us at once is no better than one that refuses.
        if (Date.now() - since > LONGEST_DELAY) attempt = 0;
      } catch (cause) {
        error = describe(this.#options, node, cause);
      } finally {
        this.#drop.abort(); // Whatever still listens to it may go.
      }
      if (this.#closing.signal.aborted) break;
      this.#state = { kind: 'down', error };
      await delay(reconnectDelay(attempt++, Math.random()), undefined, { signal: this.#closing.signal }).catch(
        () => {},
      );
    }
    this.#state = { kind: 'closed' };
    for (const settle of this.#waiting.splice(0)) settle(null);
  }

  /** Bounded in all: amqplib's own time limit is one of silence, and it does not tell of every socket that is destroyed under it. */
  async #dial(node: string): Promise<ChannelModel> {
    const end = this.#end();
    const late = new Error('connect ETIMEDOUT');
    const timer = setTimeout(() => this.#drop.abort(late), CONNECT_TIMEOUT);
    const dialled = dial(this.#options, node, end);
    const over = untilAborted(end).then((reason) => Promise.reject(reason instanceof Error ? reason : late));
    try {
      return await Promise.race([dialled, over]);
    } finally {
      clearTimeout(timer);
      over.catch(() => {});
      // Of an attempt that was given up: its socket is destroyed, and nobody listens.
      dialled.then((connection) => connection.on('error', () => {})).catch(() => {});
    }
  }

  /** Aborts when the present connection is to end. */
  #end(): AbortSignal {
    return AbortSignal.any([this.#drop.signal, this.#closing.signal]);
  }

  /** From up to down; answers why it went. */
  async #serve(connection: ChannelModel, node: string): Promise<string> {
    const gone = new Promise<string>((resolve) => {
      let reason: string | null = null;
      connection.on('error', (error) => (reason ??= error.message));
      connection.on('close', (error) => resolve(this.#dropReason ?? reason ?? error?.message ?? 'connection closed'));
      // It may have been lost before anybody listened; then dropping it tells nothing more.
      void untilAborted(this.#end()).then(() => resolve(this.#dropReason ?? 'connection closed'));
    });
    connection.on('blocked', (reason) => {
      this.#state = { kind: 'blocked', node, reason };
      this.#handlers.onBlocked?.(reason);
    });
    connection.on('unblocked', () => {
      this.#state = { kind: 'up', node };
      this.#handlers.onUnblocked?.();
    });
    this.#state = { kind: 'up', node };
    this.#connection = connection;
    this.#dropReason = null;
    let failure: string | null = null;
    try {
      this.#handlers.onUp(connection, node);
      for (const settle of this.#waiting.splice(0)) settle(connection);
    } catch (error) {
      failure = `the owner failed: ${String(error)}`;
      this.#drop.abort();
    }
    const reason = failure ?? (await gone);
    this.#connection = null;
    this.#handlers.onDown(reason);
    return reason;
  }

  async #close(): Promise<void> {
    const connection = this.#connection;
    if (connection) {
      const drained = AbortSignal.timeout(DRAIN_TIMEOUT);
      await within(this.#handlers.drain?.(drained), drained);
      // Refused where the connection is closing or lost already, which is as good.
      await within(connection.close(), AbortSignal.timeout(GOODBYE_TIMEOUT));
    }
    this.#closing.abort();
    await this.#running;
  }
}

/** Resolves with the reason. */
function untilAborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}

/** Waits for the work or the signal, whichever is first; a failure of the work counts as its end. */
async function within(work: Promise<void> | undefined, signal: AbortSignal): Promise<void> {
  if (!work) return;
  await Promise.race([
    work.catch(() => {}),
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true })),
  ]);
}

function aborted(signal: AbortSignal, site: string): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(`the connection to site ${site} is closed`);
}
