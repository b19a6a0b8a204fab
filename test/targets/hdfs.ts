// A real HDFS for tests: a NameNode and DataNodes in containers, with WebHDFS reachable from this machine, redirects included.
//
//   await using hdfs = await startHdfs();                 // the user `waggle` owns the folder /events, permissions are checked
//   await using hdfs = await startHdfs({ dataNodes: 2 }); // each file on both
//   await hdfs.nameNode.kill(); await hdfs.nameNode.start();
import { freePort, Published, remove, serverOf, startNetwork, type Server, type TestNetwork } from '../docker.ts';
import { until } from '../containers.ts';

const HADOOP = 'apache/hadoop:3.5.0';
const NAME_NODE = 'hdfs-namenode';
const SUPERUSER = 'root'; // whoever the NameNode runs as
const START_TIMEOUT = 120_000; // two Java programs one after the other, on a busy machine

export interface Hdfs extends AsyncDisposable {
  /** Of WebHDFS at the NameNode, without the path: `http://127.0.0.1:port`. It redirects to DataNodes at 127.0.0.1 too. */
  readonly endpoint: string;
  /** Owner of `folder`, and no superuser. */
  readonly user: string;
  readonly folder: string;
  /** `start` resolves once it answers; it leaves SafeMode by itself as soon as its DataNodes have reported their blocks. */
  readonly nameNode: Server;
  /** `start` resolves once the NameNode knows its blocks, so that one must run or be starting. One that was killed is dead to the NameNode after 12 s. */
  readonly dataNodes: readonly Server[];
  readonly network: TestNetwork;
  enterSafeMode(): Promise<void>;
  leaveSafeMode(): Promise<void>;
}

interface HdfsOptions {
  /** 1 unless given. Every file lies on all of them. */
  readonly dataNodes?: number;
  readonly network?: TestNetwork;
}

/** Empty but for the folder; resolves once a file can be written. */
export async function startHdfs(options: HdfsOptions = {}): Promise<Hdfs> {
  const network = options.network ?? (await startNetwork());
  const count = options.dataNodes ?? 1;
  const nameNode = await startNameNode(network, count);
  const names = Array.from({ length: count }, (_, index) => `hdfs-datanode-${index + 1}`);
  const dataNodes = await Promise.all(names.map((name, index) => startDataNode(name, 20_000 + index, network, count)));
  await nameNode.ready();
  await Promise.all(dataNodes.map((node) => node.ready()));
  const { endpoint } = nameNode;
  const user = 'waggle';
  const folder = '/events';
  await until(`HDFS at ${endpoint} out of SafeMode`, () => change(`${endpoint}/webhdfs/v1${folder}?op=MKDIRS`));
  await change(`${endpoint}/webhdfs/v1${folder}?op=SETOWNER&owner=${user}`);
  return {
    endpoint,
    user,
    folder,
    nameNode: nameNode.server,
    dataNodes: dataNodes.map((node) => node.server),
    network,
    enterSafeMode: async () => void (await nameNode.server.exec(['hdfs', 'dfsadmin', '-safemode', 'enter'])),
    leaveSafeMode: async () => void (await nameNode.server.exec(['hdfs', 'dfsadmin', '-safemode', 'leave'])),
    async [Symbol.asyncDispose]() {
      await Promise.all([nameNode, ...dataNodes].map(({ server }) => remove(server.containerId)));
      if (!options.network) await network[Symbol.asyncDispose]();
    },
  };
}

interface Started {
  readonly server: Server;
  readonly endpoint: string;
  readonly ready: () => Promise<void>;
}

async function startNameNode(network: TestNetwork, replication: number): Promise<Started> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const ready = () =>
    until(
      `NameNode at ${endpoint}`,
      async () => (await fetch(`${endpoint}/webhdfs/v1/?op=GETFILESTATUS`)).ok,
      START_TIMEOUT,
    );
  const server = await startNode(NAME_NODE, ['hdfs', 'namenode'], network, new Map([[9870, port]]), ready, {
    ENSURE_NAMENODE_DIR: '/data/name',
    ...hdfsSite(replication, {
      'dfs.namenode.name.dir': 'file:///data/name',
      'dfs.namenode.rpc-bind-host': '0.0.0.0',
      // Container addresses have no names to look up.
      'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
      // Else it would stay in SafeMode for 30 s after each restart, and believe in a dead DataNode for ten minutes.
      'dfs.namenode.safemode.extension': '0',
      'dfs.namenode.heartbeat.recheck-interval': '1000',
    }),
  });
  return { server, endpoint, ready };
}

async function startDataNode(
  name: string,
  dataPort: number,
  network: TestNetwork,
  replication: number,
): Promise<Started> {
  // The NameNode redirects to the name and port that a DataNode announces, so it must listen at the very port that is published.
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const ready = () => until(`DataNode ${name} at ${endpoint}`, () => hasReported(endpoint), START_TIMEOUT);
  const server = await startNode(name, ['hdfs', 'datanode'], network, new Map([[port, port]]), ready, {
    ...hdfsSite(replication, {
      'dfs.datanode.data.dir': 'file:///data/blocks',
      'dfs.datanode.hostname': '127.0.0.1',
      // The NameNode tells them apart by name and data port, and their names are the same.
      'dfs.datanode.address': `0.0.0.0:${dataPort}`,
      'dfs.datanode.http.address': `0.0.0.0:${port}`,
    }),
  });
  return { server, endpoint, ready };
}

async function startNode(
  name: string,
  command: string[],
  network: TestNetwork,
  ports: ReadonlyMap<number, number>,
  ready: () => Promise<void>,
  environment: Record<string, string>,
): Promise<Server> {
  const container = await new Published(HADOOP)
    .publish(ports)
    .withUser(SUPERUSER)
    .withHostname(name)
    .withNetworkMode(network.name)
    .withNetworkAliases(name)
    .withEnvironment({
      'CORE-SITE.XML_fs.defaultFS': `hdfs://${NAME_NODE}:8020`,
      HADOOP_HEAPSIZE_MAX: '128',
      ...environment,
    })
    .withCommand(command)
    .start();
  return serverOf(name, container.getId(), ready);
}

function hdfsSite(replication: number, settings: Readonly<Record<string, string>>): Record<string, string> {
  const all = {
    'dfs.replication': String(replication),
    'dfs.heartbeat.interval': '1s',
    // What a file waits for at its end until its last block is known: 400 ms otherwise.
    'dfs.client.block.write.locateFollowingBlock.initial.delay.ms': '20',
    ...settings,
  };
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [`HDFS-SITE.XML_${key}`, value]));
}

/** Whether the NameNode has taken this DataNode's list of blocks since it started: it counts the lists that it sent. */
async function hasReported(endpoint: string): Promise<boolean> {
  const answer = await fetch(`${endpoint}/jmx?qry=Hadoop:service=DataNode,name=DataNodeActivity-*`);
  return /"BlockReportsNumOps" : [1-9]/.test(await answer.text());
}

async function change(url: string): Promise<boolean> {
  const answer = await fetch(`${url}&user.name=${SUPERUSER}`, { method: 'PUT' });
  if (!answer.ok) throw new Error(await answer.text());
  return true;
}
