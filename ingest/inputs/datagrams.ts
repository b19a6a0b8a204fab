// A UDP socket of an input: what comes within a turn of the event loop is handed on together, and what the kernel drops is counted.
import dgram from 'node:dgram';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { formatAddress, parseAddress } from '#core/units.ts';
import type { InputObserver } from './contract.ts';

export interface DatagramsOptions {
  readonly listen: string;
  /** Bytes asked of the kernel. */
  readonly receiveBuffer: number;
  /** The path in the configuration, for messages. */
  readonly where: string;
  readonly observe: InputObserver;
  /** The buffers are the receiver's own. Resolves once they are dealt with; never rejects. */
  readonly receive: (messages: readonly Buffer[]) => Promise<void>;
}

export interface Datagrams extends AsyncDisposable {
  /** `host:port`, with the port that was taken. */
  readonly address: string;
  readonly status: () => {
    /** Bytes that the kernel gave; it counts its own books in, so that about half is for datagrams. */
    readonly receiveBuffer: number;
    /** Null where the system does not tell. */
    readonly kernelDropped: number | null;
  };
}

/** How often the kernel is asked, in milliseconds. */
const ASK = 1_000;

/** Resolves once it listens; rejects with the system's error. Disposing hands on what has come, and waits until that is dealt with. */
export async function listenDatagrams(options: DatagramsOptions): Promise<Datagrams> {
  const address = parseAddress(options.listen);
  if (address === null) throw new TypeError(`${options.where}.listen: "${options.listen}" is no host:port`);
  const socket = dgram.createSocket(address.host.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    // Of a worker of several: its own, else the first process would hold it.
    socket.bind({ port: address.port, address: address.host, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  socket.on('error', (error) => options.observe.fault(error));
  raise(socket, options.receiveBuffer);
  const receiveBuffer = socket.getRecvBufferSize();
  const { port } = socket.address();

  let waiting: Buffer[] = [];
  let busy = 0;
  let idle: (() => void) | null = null;
  const handOn = (): void => {
    const messages = waiting;
    waiting = [];
    if (messages.length === 0) return;
    busy++;
    void options.receive(messages).finally(() => {
      if (--busy === 0) idle?.();
    });
  };
  socket.on('message', (message) => {
    if (waiting.length === 0) setImmediate(handOn);
    waiting.push(message);
  });

  const drops = await kernelDrops(port);
  let kernelDropped = drops === null ? null : 0;
  const ask = async (): Promise<void> => {
    const more = (await drops?.()) ?? 0;
    if (more === 0) return;
    kernelDropped = (kernelDropped ?? 0) + more;
    options.observe.lost('kernel-dropped', more);
  };
  const asking = setInterval(() => void ask(), ASK);
  const close = async (): Promise<void> => {
    clearInterval(asking);
    await ask();
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    handOn();
    if (busy > 0) await new Promise<void>((resolve) => (idle = resolve));
  };
  let closed: Promise<void> | null = null;
  return {
    address: formatAddress({ host: address.host, port }),
    status: () => ({ receiveBuffer, kernelDropped }),
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}

/** The kernel gives what it may, without a word. */
function raise(socket: dgram.Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes);
  } catch {
    // As small as it was; status tells.
  }
}

/**
 * Datagrams that the kernel has dropped since the last call, for the socket of this process at this port; null where /proc does not tell.
 * Source: proc(5), /proc/net/udp: the last column, found by the inode.
 */
async function kernelDrops(port: number): Promise<(() => Promise<number>) | null> {
  const inodes = await ownSockets();
  const inode = (await udpSockets()).find((each) => each.port === port && inodes.has(each.inode))?.inode;
  if (inode === undefined) return null;
  let last = 0;
  return async () => {
    const drops = (await udpSockets()).find((each) => each.inode === inode)?.drops ?? last;
    const more = (drops - last) >>> 0; // a counter of 32 bits
    last = drops;
    return more;
  };
}

async function ownSockets(): Promise<ReadonlySet<string>> {
  const folder = '/proc/self/fd';
  const names = await readdir(folder).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
}

interface UdpSocket {
  readonly port: number;
  readonly inode: string;
  readonly drops: number;
}

async function udpSockets(): Promise<readonly UdpSocket[]> {
  const tables = await Promise.all(
    ['udp', 'udp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
  );
  return tables.flatMap((table) =>
    table
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns.length >= 13)
      .map((columns) => ({
        port: Number.parseInt(columns[1]?.split(':')[1] ?? '', 16),
        inode: columns[9] ?? '',
        drops: Number(columns[12]),
      })),
  );
}
