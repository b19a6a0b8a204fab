// The syslog input: UDP and TCP at one port, TLS at another. A message becomes the data of an event of the configured type.
import type { SyslogInputConfig } from '#core/config/input-config.ts';
import { parseAddress, formatAddress } from '#core/units.ts';
import { createBestEffort } from '../best-effort.ts';
import { type Connections, listenConnections } from '../connections.ts';
import type { Input, InputContext } from '../contract.ts';
import { type Datagrams, listenDatagrams } from '../datagrams.ts';
import { EventWriter } from '../event-writer.ts';
import { parseSyslog } from './message.ts';
import { SyslogSession, type SyslogShared } from './session.ts';
import { zoneReader } from './zone.ts';

export interface SyslogInputOptions extends SyslogInputConfig, InputContext {
  /** False where another worker has the UDP port; true unless given. */
  readonly datagrams?: boolean;
  /** Milliseconds; the defaults are meant for production. */
  readonly limits?: Partial<SyslogLimits>;
}

interface SyslogLimits {
  /** For a message to arrive. */
  readonly patience: number;
  readonly close: number;
  /** A spool that takes nothing is asked again after so long. */
  readonly again: number;
}

const DEFAULT_LIMITS: SyslogLimits = { patience: 30_000, close: 10_000, again: 1_000 };
const WHERE = 'agent.inputs.syslog';

/** Resolves once it listens everywhere. */
export async function createSyslogInput(options: SyslogInputOptions): Promise<Input> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const { level, observe, maxMessage } = options;
  const writing = createWriting(options);
  const store = createBestEffort(options, level, 'syslog');
  const shared: SyslogShared = {
    accept: (groups) => options.accept(groups, level, 'syslog'),
    observe,
    maxMessage,
    begin: writing.begin,
    write: writing.write,
    written: writing.written,
    patience: limits.patience,
    again: limits.again,
  };
  const connections = (listen: string, tls: SyslogInputConfig['tls']): Promise<Connections> =>
    listenConnections({
      listen,
      tls,
      where: WHERE,
      observe,
      open: (link) => new SyslogSession(shared, link),
      closeWithin: limits.close,
      handshake: Math.min(10_000, limits.patience),
      sweep: Math.min(1_000, limits.patience / 4),
    });
  await using opened = new AsyncDisposableStack();
  const tcp = opened.use(await connections(options.listen, null));
  const listenUdp = (): Promise<Datagrams> =>
    listenDatagrams({
      listen: samePort(options.listen, tcp.address),
      receiveBuffer: options.receiveBuffer,
      where: WHERE,
      observe,
      receive: (messages) => {
        writing.begin();
        for (const message of messages) writing.write(message, false);
        return store(writing.writer);
      },
    });
  const datagrams = options.datagrams === false ? null : opened.use(await listenUdp());
  const secure = options.tls === null ? null : opened.use(await connections(options.tls.listen, options.tls));
  const all = opened.move();
  let closed: Promise<void> | null = null;
  return {
    address: `syslog://${tcp.address}`,
    status: () => ({
      ...(secure && { tls: secure.address }),
      connections: tcp.count() + (secure?.count() ?? 0),
      ...datagrams?.status(),
    }),
    [Symbol.asyncDispose]: () => (closed ??= all.disposeAsync()),
  };
}

function samePort(listen: string, bound: string): string {
  const host = parseAddress(listen)?.host ?? '';
  return formatAddress({ host, port: parseAddress(bound)?.port ?? 0 });
}

/** Messages to event lines, by one writer for all connections. Throws where the type cannot be one; the configuration was checked. */
function createWriting(
  options: SyslogInputOptions,
): Pick<SyslogShared, 'begin' | 'write' | 'written'> & { readonly writer: EventWriter } {
  const { maxMessage, observe } = options;
  const writer = new EventWriter(options, 'syslog');
  const named = writer.namer(options.type);
  if (named.kind === 'refused') throw new TypeError(`${WHERE}.type: ${named.message}`);
  const zone = zoneReader(options.timeZone);
  const write = (message: Buffer, truncated: boolean): void => {
    const cut = message.length > maxMessage;
    // Bytes that are not UTF-8 become U+FFFD. What ends a line, or pads it, is no part of the message.
    const text = message.toString('utf8', 0, Math.min(message.length, maxMessage)).replace(/[\r\n\0]{1,8}$/, '');
    if (text === '') return;
    const { receivedAt } = writer;
    const { time, data } = parseSyslog(text, zone, receivedAt);
    const json = Buffer.from(JSON.stringify(truncated || cut ? { ...data, truncated: true } : data));
    const [seconds, nanos] = time ?? [Math.floor(receivedAt / 1000), (receivedAt % 1000) * 1e6];
    const wrong = writer.data(named, seconds, nanos, json, 0, json.length);
    if (wrong !== null) observe.lost(wrong.code, 1);
  };
  return {
    writer,
    begin: () => writer.begin(),
    write,
    written: () => ({ groups: writer.groups(), count: writer.count }),
  };
}
