// The lock of a folder: a Unix socket bound in it, which the kernel closes when its process ends, however it ends. Node has no flock.
//
// Each process that wants the lock first binds and listens on a socket of a name of its own, `lock-<random>.sock`, and only then looks at all
// the others: one that answers, or that may answer, means that the folder is taken; one that refuses the connection was left by a crash and is removed.
// Invariant: of two processes at most one has the lock. Both listen before they look, so whoever looks second sees the other. A name is
// never used twice, so removing a dead one cannot remove a live one; a socket that is bound but not yet listening may be removed, but its
// process looks after that and sees the one who removed it, who listens already. Two that start at once may both give up: they withdraw,
// wait for a random time and try again. It holds between the containers of one machine, not between machines on a network file system.
import { randomInt, randomUUID } from 'node:crypto';
import { open, readdir, unlink, type FileHandle } from 'node:fs/promises';
import { createConnection, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode, SpoolLockedError } from './disk.ts';

const NAME = /^lock-[0-9a-f-]{36}\.sock$/;
const ATTEMPTS = 5;
/** How long a process that holds the lock may take to say who it is. */
const PATIENCE = 1000;

/** Whether a process listens on the socket, and what it says of itself. */
function ask(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    let said = '';
    const socket = createConnection(path);
    const end = (holder: string | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(holder);
    };
    const timer = setTimeout(() => end(said || 'a process that does not answer'), PATIENCE);
    socket.on('data', (data) => (said += data.toString('utf8')));
    socket.on('end', () => end(said || 'a process that does not say who it is'));
    socket.on('error', (error) => {
      const code = errorCode(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') end(null);
      else end(said || `a process that cannot be asked (${code})`);
    });
  });
}

function listen(path: string, holder: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined); // who asked is gone again
      socket.end(holder);
    });
    server.unref();
    server.once('error', reject);
    // Of a worker of several: its own, else the first process would hold it, and a crash would not release it.
    server.listen({ path, exclusive: true }, () => resolve(server));
  });
}

const close = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()));

/** `holder` is told to whoever finds the folder taken. Rejects with SpoolLockedError, which says by whom. */
export async function lockFolder(folder: string, holder: string): Promise<AsyncDisposable> {
  // A socket's path has at most 107 bytes: the folder is named by its descriptor, which works in every path's stead.
  const handle = await open(folder, 'r');
  const place = `/proc/self/fd/${handle.fd}`;
  try {
    for (let attempt = 1; ; attempt++) {
      const own = `lock-${randomUUID()}.sock`;
      const server = await listen(`${place}/${own}`, holder);
      const other = await findHolder(place, own);
      if (other === null) {
        let released: Promise<void> | undefined;
        return {
          // Closing the server unlinks its path, so the descriptor must live until then.
          [Symbol.asyncDispose]: () => (released ??= release(server, handle)),
        };
      }
      await close(server);
      if (attempt === ATTEMPTS)
        throw new SpoolLockedError(
          `The spool folder ${folder} is in use by ${other}. Stop that process, or give this one a folder of its own.`,
        );
      await sleep(randomInt(20, 150));
    }
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Who has the folder, or null; looks only. */
export async function lockHolder(folder: string): Promise<string | null> {
  const handle = await open(folder, 'r');
  try {
    const place = `/proc/self/fd/${handle.fd}`;
    for (const name of await readdir(place)) {
      const holder = NAME.test(name) ? await ask(`${place}/${name}`) : null;
      if (holder !== null) return holder;
    }
    return null;
  } finally {
    await handle.close();
  }
}

async function release(server: Server, handle: FileHandle): Promise<void> {
  await close(server);
  await handle.close();
}

async function findHolder(place: string, own: string): Promise<string | null> {
  for (const name of await readdir(place)) {
    if (name === own || !NAME.test(name)) continue;
    const holder = await ask(`${place}/${name}`);
    if (holder !== null) return holder;
    await unlink(`${place}/${name}`).catch(() => undefined); // somebody else may have removed it
  }
  return null;
}
