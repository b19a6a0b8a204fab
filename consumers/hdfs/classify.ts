// What WebHDFS answers mean to the chain. Pure. (Hadoop, "WebHDFS REST API", HTTP response codes; found on 3.5.0 and 3.4.3.)
//
// Most failures are 403, so the exception's name tells them apart, never the status.

export type HdfsFailure =
  | { readonly kind: 'exists' }
  | { readonly kind: 'absent' }
  /** This NameNode does not serve now; the other may. */
  | { readonly kind: 'elsewhere'; readonly message: string }
  /** Trying again may help. */
  | { readonly kind: 'unavailable'; readonly message: string }
  /** Somebody must mend the configuration or the rights. */
  | { readonly kind: 'refused'; readonly message: string };

/** `body`: parsed, or the text where it is no JSON. */
export interface HdfsAnswer {
  readonly status: number;
  readonly location: string | null;
  readonly body: unknown;
}

type Meaning = 'exists' | 'absent' | 'elsewhere' | 'unavailable' | { readonly advice: string };

const RIGHTS = {
  advice: 'the user lacks a right: it must own the folder sinks.*.path (hdfs dfs -chown), or check sinks.*.user',
};
const TOKEN = {
  advice: 'the server does not accept who we are: renew sinks.*.delegation_token, or check sinks.*.user',
};
const NAMES = {
  advice:
    'the quota of names is used up: raise it (hdfs dfsadmin -setQuota) or delete old data; each file and each folder counts',
};
const SPACE = {
  advice:
    'the quota of space is used up: raise it (hdfs dfsadmin -setSpaceQuota) or delete old data; while a file is written a whole block counts, times its replicas',
};
const PARENT = { advice: 'a file stands where a folder must be; move it elsewhere' };
const LIMIT = { advice: 'a limit of this HDFS is reached (dfs.namenode.fs-limits.*); raise it' };
const VERSION = { advice: 'this server does not know a request that the sink needs; it takes HDFS 3' };

/** By RemoteException.exception. What is not listed may pass, unless the status is 400. */
export const EXCEPTIONS: Readonly<Record<string, Meaning>> = {
  FileAlreadyExistsException: 'exists',
  FileNotFoundException: 'absent',
  StandbyException: 'elsewhere',
  ObserverRetryOnActiveException: 'elsewhere',
  RetriableException: 'elsewhere', // "Namenode is in startup mode"
  SafeModeException: 'unavailable',
  IOException: 'unavailable', // "Failed to find datanode", "No active nodes contain this block"
  AlreadyBeingCreatedException: 'unavailable', // the lease of another writer
  LeaseExpiredException: 'unavailable',
  RecoveryInProgressException: 'unavailable',
  NotReplicatedYetException: 'unavailable',
  AccessControlException: RIGHTS,
  SnapshotAccessControlException: RIGHTS,
  AuthorizationException: RIGHTS,
  SecurityException: TOKEN,
  InvalidToken: TOKEN,
  AuthenticationException: TOKEN,
  NSQuotaExceededException: NAMES,
  DSQuotaExceededException: SPACE,
  QuotaByStorageTypeExceededException: SPACE,
  ParentNotDirectoryException: PARENT,
  InvalidPathException: { advice: 'HDFS does not take this name; mend sinks.*.path' },
  PathComponentTooLongException: LIMIT,
  MaxDirectoryItemsExceededException: LIMIT,
  IllegalArgumentException: VERSION,
  UnsupportedOperationException: VERSION,
};

const NO_WEBHDFS =
  'no WebHDFS answers here: sinks.*.name_nodes must have the HTTP address of a NameNode (dfs.namenode.http-address), and dfs.webhdfs.enabled be true';
/** Of what the server says. */
const LONGEST = 300;

interface RemoteException {
  readonly exception: string;
  readonly message: string;
}

function remoteException(body: unknown): RemoteException | null {
  const found = memberOf(body, 'RemoteException');
  const exception = memberOf(found, 'exception');
  const message = memberOf(found, 'message');
  if (typeof exception !== 'string') return null;
  // A DataNode's message has the whole stack behind it.
  return {
    exception,
    message: typeof message === 'string' ? (message.split('\n', 1)[0] ?? '').slice(0, LONGEST) : '',
  };
}

/** A member of what may be an object. */
export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** `doing`: as in "create type=…", with the place. Null: it was done. */
export function classify({ status, body }: HdfsAnswer, doing: string): HdfsFailure | null {
  if (status >= 200 && status < 400) return null;
  const remote = remoteException(body);
  if (remote === null) {
    const message = `${doing}: HTTP ${status}`;
    if (status === 401) return { kind: 'refused', message: `${message}: ${TOKEN.advice}.` };
    if (status === 404 || status === 405) return { kind: 'refused', message: `${message}: ${NO_WEBHDFS}.` };
    return { kind: status === 400 ? 'refused' : 'unavailable', message };
  }
  const { exception } = remote;
  const said = `${doing}: ${exception}: ${remote.message}`;
  const meaning = Object.hasOwn(EXCEPTIONS, exception) ? EXCEPTIONS[exception] : undefined;
  switch (meaning) {
    case 'exists':
    case 'absent':
      return { kind: meaning };
    case 'elsewhere':
    case 'unavailable':
      return { kind: meaning, message: said };
    case undefined:
      return { kind: status === 400 ? 'refused' : 'unavailable', message: said };
    default:
      return { kind: 'refused', message: `${said}: ${meaning.advice}.` };
  }
}

/** Codes of Node's TLS where the peer is not the one expected, or speaks no TLS. */
const UNTRUSTED =
  /^(EPROTO|ERR_SSL_.*|ERR_TLS_.*|CERT_.*|DEPTH_ZERO_.*|SELF_SIGNED_.*|UNABLE_TO_(GET_ISSUER|VERIFY).*|HOSTNAME_MISMATCH)$/;

/** A request without an answer. */
export function classifyNoAnswer(code: string, message: string, doing: string): HdfsFailure {
  if (!UNTRUSTED.test(code)) return { kind: 'unavailable', message: `${doing}: no answer: ${message}` };
  return {
    kind: 'refused',
    message: `${doing}: ${message} (${code}): check the scheme of sinks.*.name_nodes, and sinks.*.tls.`,
  };
}
