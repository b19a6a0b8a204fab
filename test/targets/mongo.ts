// A server that speaks MongoDB's wire protocol, for tests, in a container. Where no image registry can be reached it is a stand-in: see
// deploy/images/mongo.
//
//   await using mongo = await startMongo();
//   const client = await MongoClient.connect(mongo.url);
import { createConnection } from 'node:net';
import { freePort, Published, remove, serverOf, sweep, type Server } from '../docker.ts';
import { until } from '../containers.ts';

const MONGO = 'mongo:8';

export interface Mongo extends Server, AsyncDisposable {
  /** `mongodb://127.0.0.1:port`; no users. */
  readonly url: string;
}

/** Empty. Acknowledged writes outlive `stop`, `kill` and `start`. */
export async function startMongo(): Promise<Mongo> {
  await sweep();
  const port = await freePort();
  const url = `mongodb://127.0.0.1:${port}`;
  const container = await new Published(MONGO).publish(new Map([[27017, port]])).start();
  const ready = () => until(`MongoDB at ${url}`, () => answersPing(port));
  await ready();
  return {
    ...(await serverOf('mongo', container.getId(), ready)),
    url,
    [Symbol.asyncDispose]: () => remove(container.getId()),
  };
}

/** `{ ping: 1, $db: 'admin' }` as an OP_MSG (wire protocol: length, request id, response to, opcode 2013; flags; section 0 with the BSON). */
const PING = Buffer.from(
  '33000000' +
    '01000000' +
    '00000000' +
    'dd070000' +
    '00000000' +
    '00' + //
    '1e000000' +
    '1070696e670001000000' +
    '022464620006000000' +
    '61646d696e00' +
    '00',
  'hex',
);

/** Docker's proxy accepts before the server does, so an answer is waited for. */
function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(2_000, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.once('connect', () => socket.write(PING));
    socket.once('data', () => done(true));
  });
}
