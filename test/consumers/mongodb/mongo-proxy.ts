// A TCP proxy before a real server, which knows MongoDB's wire protocol well enough to answer commands in its place.
//
// message = int32 length, request id, response to, opcode; OP_MSG (2013) = flags, kind 0, BSON … (MongoDB manual, "Wire Protocol")
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BSON } from 'mongodb';

/** What becomes of a command: to the server, no answer ever, this answer instead; or the server's answer so many milliseconds late. */
export type Ruling = 'pass' | 'hang' | { readonly answer: object } | { readonly late: number };

interface Conversation {
  readonly near: Socket;
  readonly far: Socket;
  /** Names of commands that came on it. */
  readonly commands: string[];
}

const OP_MSG = 2013;
const HEADER = 16;

export class MongoProxy implements AsyncDisposable {
  /** Decides on each command, by its name. */
  rule: (command: string, document: () => BSON.Document) => Ruling = () => 'pass';
  readonly open = new Set<Conversation>();
  readonly #upstream: number;
  #server: Server | null = null;
  #port = 0;

  private constructor(upstream: number) {
    this.#upstream = upstream;
  }

  /** Before the server at this port of loopback. */
  static async start(upstream: number): Promise<MongoProxy> {
    const proxy = new MongoProxy(upstream);
    await proxy.up();
    return proxy;
  }

  get url(): string {
    return `mongodb://127.0.0.1:${this.#port}`;
  }

  /** Connections on which this command came. */
  with(command: string): Conversation[] {
    return [...this.open].filter(({ commands }) => commands.includes(command));
  }

  async up(): Promise<void> {
    if (this.#server !== null) return;
    const server = createServer((near) => this.#join(near));
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port; // listens on TCP
    this.#server = server;
  }

  /** Connections are cut, new ones refused. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const { near } of this.open) near.destroy();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }

  #join(near: Socket): void {
    const conversation: Conversation = { near, far: createConnection(this.#upstream, '127.0.0.1'), commands: [] };
    const { far, commands } = conversation;
    this.open.add(conversation);
    const end = (): void => {
      this.open.delete(conversation);
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    let late = 0;
    far.on('data', (bytes) => {
      const after = late;
      late = 0;
      if (after === 0) near.write(bytes);
      else void delay(after).then(() => near.write(bytes));
    });
    eachMessage(near, (message) => {
      const command = commandOf(message);
      commands.push(command);
      const ruling = this.rule(command, () => BSON.deserialize(message.subarray(HEADER + 5)));
      if (ruling === 'hang') return;
      if (typeof ruling === 'object' && 'answer' in ruling) {
        near.write(answerTo(message, ruling.answer));
        return;
      }
      late = ruling === 'pass' ? 0 : ruling.late;
      far.write(message);
    });
  }
}

function eachMessage(socket: Socket, each: (message: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= HEADER && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0);
      each(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  });
}

/** The name of the first member of the command; '' of the handshake's older form. */
function commandOf(message: Buffer): string {
  if (message.readInt32LE(12) !== OP_MSG) return '';
  const start = HEADER + 4 + 1 + 4 + 1; // flags, kind, length of the document, type of its first member
  return message.toString('latin1', start, message.indexOf(0, start));
}

function answerTo(message: Buffer, answer: object): Buffer {
  const body = BSON.serialize(answer);
  const head = Buffer.alloc(HEADER + 5);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(message.readInt32LE(4), 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, body]);
}
