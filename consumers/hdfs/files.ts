// Files of HDFS over WebHDFS: what the NameNode says of them, and their content, which the DataNodes have.
import { StoreRefused, StoreUnavailable } from '../chain/store.ts';
import { classify, classifyNoAnswer, memberOf } from './classify.ts';
import { byBytes, deadlineFor } from './encode.ts';
import { exchange, NoAnswer, type Connections, type HttpAnswer } from './http.ts';
import { parsed, type NameNodes } from './namenodes.ts';

export interface FileStatus {
  /** The last part of the path in a listing, else ''. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly length: number;
  /** Of the inode: it stays through a rename, and is never given again. */
  readonly fileId: number;
  /** Milliseconds of the epoch, by the NameNode's clock. */
  readonly modified: number;
}

export interface Page {
  readonly entries: readonly FileStatus[];
  readonly more: boolean;
}

/** Every call throws StoreUnavailable, StoreRefused, or the signal's reason. Paths are absolute. */
export class HdfsFiles {
  readonly #nameNodes: NameNodes;
  readonly #connections: Connections;
  readonly #timeout: number;

  constructor(nameNodes: NameNodes, connected: Connections, timeout: number) {
    this.#nameNodes = nameNodes;
    this.#connections = connected;
    this.#timeout = timeout;
  }

  /** Null where it is absent. */
  async status(path: string, signal: AbortSignal): Promise<FileStatus | null> {
    const doing = `look at ${path}`;
    const asked = await this.#nameNodes.ask(path, { op: 'GETFILESTATUS' }, doing, signal);
    if (asked.kind === 'absent') return null;
    return statusOf(asked.kind === 'done' ? memberOf(asked.body, 'FileStatus') : undefined, doing);
  }

  /** With those above it; there already is success. */
  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    const asked = await this.#nameNodes.ask(path, { op: 'MKDIRS' }, `make the folder ${path}`, signal);
    // Whether it is there, the rename tells that needs it.
    if (asked.kind !== 'done') throw new StoreRefused(`HDFS: a file stands where the folder ${path} must be.`);
  }

  /** Of a file; absent is success. Looks whether it is gone. */
  async remove(path: string, signal: AbortSignal): Promise<void> {
    await this.#nameNodes.ask(path, { op: 'DELETE' }, `delete ${path}`, signal);
    if ((await this.status(path, signal)) !== null)
      throw new StoreUnavailable(`HDFS: ${path} was deleted, and is there still`);
  }

  /**
   * Onto a name that is free, in one step of the NameNode. `failed`: it is not known whether it was done, by this call or by one before
   * it that had no answer; compare the fileId.
   */
  async rename(from: string, to: string, signal: AbortSignal): Promise<'done' | 'failed'> {
    const operation = { op: 'RENAME', query: { destination: to, renameoptions: 'NONE' } } as const;
    const asked = await this.#nameNodes.ask(from, operation, `rename ${from} to ${to}`, signal);
    return asked.kind === 'done' ? 'done' : 'failed';
  }

  /** A new file, closed. Where this throws, part of it may be there, or come later; where not, compare its length. */
  async upload(path: string, bytes: Buffer, signal: AbortSignal): Promise<void> {
    const doing = `write ${path}`;
    // SYNC_BLOCK: on the DataNodes' disks, not in their caches, before the name is given out.
    const query = { overwrite: 'false', createflag: 'CREATE,SYNC_BLOCK', noredirect: 'true' };
    const asked = await this.#nameNodes.ask(path, { op: 'CREATE', query }, doing, signal);
    if (asked.kind !== 'done') throw new StoreUnavailable(`HDFS: ${doing}: it ${asked.kind}`);
    const { status } = await this.#atDataNode('PUT', asked, bytes, bytes.length, doing, signal);
    if (status !== 201) throw new StoreUnavailable(`HDFS: ${doing}: HTTP ${status} instead of 201`);
  }

  /** `length`: as its status has it, above 0. Null where it is absent. */
  async read(path: string, length: number, signal: AbortSignal): Promise<Buffer | null> {
    const doing = `read ${path}`;
    const asked = await this.#nameNodes.ask(path, { op: 'OPEN', query: { noredirect: 'true' } }, doing, signal);
    if (asked.kind !== 'done') return null;
    const { bytes } = await this.#atDataNode('GET', asked, undefined, length, doing, signal);
    if (bytes.length !== length)
      throw new StoreUnavailable(`HDFS: ${doing}: ${bytes.length} bytes came instead of ${length}`);
    return bytes;
  }

  /** Entries whose names sort after this one, ascending by bytes; none of what is absent or no folder. */
  async page(path: string, after: string, signal: AbortSignal): Promise<Page> {
    const doing = `list ${path}`;
    const query: Readonly<Record<string, string>> = after === '' ? {} : { startafter: after };
    const asked = await this.#nameNodes.ask(path, { op: 'LISTSTATUS_BATCH', query }, doing, signal);
    if (asked.kind !== 'done') return { entries: [], more: false };
    const listing = memberOf(asked.body, 'DirectoryListing');
    const found = memberOf(memberOf(memberOf(listing, 'partialListing'), 'FileStatuses'), 'FileStatus');
    if (!Array.isArray(found)) throw new StoreUnavailable(`HDFS: ${doing}: an answer that is no listing`);
    // Of a file: itself, without a name.
    const entries = found.map((status: unknown) => statusOf(status, doing)).filter(({ name }) => name !== '');
    const more = Number(memberOf(listing, 'remainingEntries')) > 0;
    const first = entries[0];
    if (first === undefined ? more : byBytes(first.name, after) <= 0)
      throw new StoreRefused(
        `HDFS: ${doing}: the server's pages do not go on behind "${after}"; it must know startafter.`,
      );
    return { entries, more };
  }

  async #atDataNode(
    method: string,
    { location, body: said }: { readonly location: string | null; readonly body: unknown },
    body: Buffer | undefined,
    length: number,
    doing: string,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    // Servers before 3.0 do not know noredirect.
    const where = memberOf(said, 'Location') ?? location;
    if (typeof where !== 'string' || !URL.canParse(where))
      throw new StoreUnavailable(`HDFS: ${doing}: the NameNode named no DataNode`);
    const url = new URL(where);
    const at = `HDFS at ${url.origin} (DataNode): ${doing}`;
    const { dataNode: agent, scheme } = this.#connections;
    if (scheme !== url.protocol)
      throw new StoreRefused(`${at}: the NameNode and the DataNode must both have TLS, or neither (dfs.http.policy).`);
    try {
      const within = deadlineFor(length, this.#timeout);
      const exchanged = { method, agent, within, signal };
      const answer = await exchange(url, body === undefined ? exchanged : { ...exchanged, body });
      const failure = classify({ ...answer, body: answer.status < 400 ? null : parsed(answer.bytes) }, at);
      if (failure === null) return answer;
      if (failure.kind === 'refused') throw new StoreRefused(failure.message);
      throw new StoreUnavailable('message' in failure ? failure.message : `${at}: it is ${failure.kind} now`);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      const failure = classifyNoAnswer(error.code, error.message, at);
      const message = 'message' in failure ? failure.message : at;
      throw failure.kind === 'refused'
        ? new StoreRefused(message, { cause: error })
        : new StoreUnavailable(message, { cause: error });
    }
  }
}

/** Throws StoreUnavailable where it is none. */
function statusOf(value: unknown, doing: string): FileStatus {
  const [name, type, length, fileId, modified] = ['pathSuffix', 'type', 'length', 'fileId', 'modificationTime'].map(
    (member) => memberOf(value, member),
  );
  // Without a fileId nobody could tell whose file stands at a name.
  const isWhole =
    typeof name === 'string' &&
    typeof type === 'string' &&
    Number.isSafeInteger(length) &&
    Number.isSafeInteger(fileId) &&
    Number(fileId) > 0 &&
    Number.isSafeInteger(modified);
  if (!isWhole) throw new StoreUnavailable(`HDFS: ${doing}: an answer without the status of a file`);
  return {
    name,
    isFolder: type === 'DIRECTORY',
    length: Number(length),
    fileId: Number(fileId),
    modified: Number(modified),
  };
}
