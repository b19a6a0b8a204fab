// Makes a folder where it is missing, and gives it to a user, for the HDFS of docker-compose.yml. In production that is its administrator's business.
//   node deploy/make-hdfs-folder.ts NAMENODE FOLDER USER      NAMENODE: its WebHDFS, http://host:port
import { setTimeout as delay } from 'node:timers/promises';

/** Whoever the NameNode runs as; without Kerberos it takes a caller's word for who he is. */
const SUPERUSER = 'root';
const PATIENCE_MS = 60_000;

async function makeFolder(nameNode: string, folder: string, user: string): Promise<void> {
  const change = async (op: string): Promise<string | null> => {
    const url = `${nameNode}/webhdfs/v1${folder}?op=${op}&user.name=${SUPERUSER}`;
    const answer = await fetch(url, { method: 'PUT', signal: AbortSignal.timeout(5_000) });
    const text = await answer.text();
    return answer.ok ? null : `PUT ${url} answered ${answer.status}: ${text}`;
  };
  for (const deadline = performance.now() + PATIENCE_MS; ; await delay(200)) {
    const wrong = (await change('MKDIRS')) ?? (await change(`SETOWNER&owner=${user}`));
    if (wrong === null) return;
    // In SafeMode, until it knows its blocks.
    if (!/SafeMode|Retriable/.test(wrong) || performance.now() > deadline) throw new Error(wrong);
  }
}

const [nameNode, folder, user] = process.argv.slice(2);
if (nameNode === undefined || folder === undefined || user === undefined) {
  console.error('Usage: node deploy/make-hdfs-folder.ts NAMENODE FOLDER USER');
  process.exit(64);
}
try {
  await makeFolder(nameNode, folder, user);
  console.log(`folder ${folder}: there, and of the user ${user}`);
} catch (error) {
  console.error(`folder ${folder} at ${nameNode}: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
