// The forward input: what Fluentd, Fluent Bit, Docker and the fluent-loggers send. A tag is the type, its record the data.
import dgram from 'node:dgram';
import type { ForwardInputConfig } from '#core/config/input-config.ts';
import { parseAddress } from '#core/units.ts';
import { ByteBudget } from '#core/byte-budget.ts';
import { listenConnections } from '../connections.ts';
import type { Input, InputContext } from '../contract.ts';
import { EventWriter } from '../event-writer.ts';
import { ForwardSession, type Shared } from './session.ts';

export interface ForwardInputOptions extends ForwardInputConfig, InputContext {
  /** Milliseconds; the defaults are meant for production. */
  readonly limits?: Partial<ForwardLimits>;
}

interface ForwardLimits {
  /** For a message, or a handshake, to arrive. */
  readonly patience: number;
  /** What is in flight when closing begins is given so long. */
  readonly close: number;
}

/** Bytes of unfinished messages of all connections together. */
const BUDGET = 64 * 2 ** 20;
const DEFAULT_LIMITS: ForwardLimits = { patience: 30_000, close: 10_000 };

/** Resolves once it listens, on TCP and for heartbeats on UDP. */
export async function createForwardInput(options: ForwardInputOptions): Promise<Input> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { accept, level, observe, maxChunk, maxEvent, sharedKey, users, host, random } = options;
  const shared: Shared = {
    accept,
    level,
    observe,
    writer: new EventWriter(options, 'forward'),
    limits: { maxChunk, maxEvent },
    security: { sharedKey, users },
    host,
    random,
    budget: new ByteBudget(Math.max(BUDGET, 2 * maxChunk)),
    patience: limits.patience,
    spares: [],
    unread: 0,
  };
  await using opened = new AsyncDisposableStack();
  const connections = opened.use(
    await listenConnections({
      listen: options.listen,
      tls: options.tls,
      where: 'agent.inputs.forward',
      observe,
      open: (link) => new ForwardSession(shared, link),
      closeWithin: limits.close,
      handshake: Math.min(10_000, limits.patience),
      sweep: Math.min(1_000, limits.patience / 4),
    }),
  );
  opened.use(await answerHeartbeats(connections.address));
  const all = opened.move();
  let closed: Promise<void> | null = null;
  return {
    address: `${options.tls === null ? 'tcp' : 'tls'}://${connections.address}`,
    status: () => ({ connections: connections.count(), answersUnread: shared.unread }),
    [Symbol.asyncDispose]: () => (closed ??= all.disposeAsync()),
  };
}

/** One zero byte in, one zero byte back: nothing else is answered, so that nobody's traffic is multiplied. */
async function answerHeartbeats(listen: string): Promise<AsyncDisposable> {
  const { host, port } = parseAddress(listen) ?? { host: '127.0.0.1', port: 0 };
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message, { address, port: back }) => {
    if (message.length === 1 && message[0] === 0) socket.send(message, back, address, () => undefined);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, () => {
      socket.off('error', reject);
      socket.on('error', () => undefined); // an answer that could not be sent
      resolve();
    });
  });
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())) };
}
