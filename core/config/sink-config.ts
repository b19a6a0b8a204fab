// The checked configuration of sinks. Log sinks stand on the chain over the log streams, queue sinks on a quorum queue of their own.
// Sizes are bytes, times are milliseconds. PEM texts and secrets come out of references (`file:/path`).

interface SinkCommon {
  readonly name: string;
  /** A log sink reads here while its chain is new, later the chain tells; a queue sink has its queue here. */
  readonly home: string;
  readonly match: readonly string[];
  /** Null: events are written as they came. */
  readonly mapping: MappingConfig | null;
  /** `host:port` of /healthz /readyz /metrics /status. */
  readonly admin: string;
  /** Bytes of events that one process holds. */
  readonly memory: number;
}

/** Changes of an event's data, in this order: what is dropped, renamed, set. Paths are JSON pointers (RFC 6901) below /data. */
export interface MappingConfig {
  readonly drop: readonly string[];
  readonly rename: Readonly<Record<string, string>>;
  /** Any JSON value. */
  readonly set: Readonly<Record<string, unknown>>;
}

/** Of a connection with TLS; null members: the system's own. */
export interface TlsConfig {
  /** PEM of the authorities trusted. */
  readonly ca: string | null;
  /** SHA-256 of the server's certificate or of one in its chain, as hex with or without colons. */
  readonly fingerprint: string | null;
}

// --- log sinks ---

/** Rotation of a log sink's data objects: whichever comes first. */
export interface RotateConfig {
  readonly size: number;
  readonly count: number;
  readonly age: number;
}

interface LogSinkCommon extends SinkCommon {
  readonly rotate: RotateConfig;
}

export interface S3SinkConfig extends LogSinkCommon {
  readonly kind: 's3';
  readonly bucket: string;
  /** Before every key; empty, or ending in a slash. */
  readonly prefix: string;
  readonly region: string;
  /** Null for Amazon's own. */
  readonly endpoint: string | null;
  readonly pathStyle: boolean;
  /** Null: the SDK's default chain of credentials. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | null;
}

export interface FolderSinkConfig extends LogSinkCommon {
  readonly kind: 'folder';
  readonly path: string;
}

export interface HdfsSinkConfig extends LogSinkCommon {
  readonly kind: 'hdfs';
  /** `http://host:port` or `https://…` of WebHDFS: one NameNode, or both of an HA pair. */
  readonly nameNodes: readonly string[];
  /** The folder that holds everything, absolute. */
  readonly path: string;
  /** As whom (`user.name`). Ignored by HDFS where a delegation token is given. */
  readonly user: string;
  readonly delegationToken: string | null;
  readonly tls: TlsConfig;
  /** Of one request; an upload has it for each 16 MiB. */
  readonly timeout: number;
}

export type LogSinkConfig = S3SinkConfig | FolderSinkConfig | HdfsSinkConfig;

// --- queue sinks ---

/** One request to the target: whichever comes first. A lone event waits for `age` at most. */
export interface BatchConfig {
  readonly size: number;
  readonly count: number;
  readonly age: number;
}

interface QueueSinkCommon extends SinkCommon {
  /** Connections to the target, over all instances together: so many permits are declared. */
  readonly connections: number;
  readonly batch: BatchConfig;
  /** Of one request. */
  readonly timeout: number;
}

export interface ElasticsearchSinkConfig extends QueueSinkCommon {
  readonly kind: 'elasticsearch';
  readonly nodes: readonly string[];
  readonly auth:
    | { readonly kind: 'none' }
    | { readonly kind: 'basic'; readonly username: string; readonly password: string }
    | { readonly kind: 'api-key'; readonly apiKey: string };
  readonly tls: TlsConfig;
  /** Prefix of the daily indices (`waggle` gives `waggle-2026.11.23`), or the name of the data stream. */
  readonly index: string;
  readonly dataStream: boolean;
  /** Whether the index template is installed at start. */
  readonly template: boolean;
  readonly compression: boolean;
}

/** A text of an event: what stands at a JSON pointer of it (a string as it is, anything else as JSON), or else the text given; null: left out. */
export interface PickConfig {
  readonly from: string | null;
  readonly or: string | null;
}

export interface SplunkSinkConfig extends QueueSinkCommon {
  readonly kind: 'splunk';
  /** `https://host:8088`, one or more; each connection keeps to one. */
  readonly endpoints: readonly string[];
  readonly token: string;
  readonly tls: TlsConfig;
  readonly ack: {
    /** Whether events count as delivered only once the indexers have acknowledged them. */
    readonly enabled: boolean;
    readonly poll: number;
    /** What is not acknowledged by then is sent again. */
    readonly timeout: number;
  };
  readonly index: PickConfig;
  readonly source: PickConfig;
  readonly sourcetype: PickConfig;
  readonly host: PickConfig;
  /** Indexed fields beside the event's id and type: name to JSON pointer. */
  readonly fields: Readonly<Record<string, string>>;
  readonly compression: boolean;
}

export interface MongodbSinkConfig extends QueueSinkCommon {
  readonly kind: 'mongodb';
  /** A connection string; it may hold a secret, so it comes out of a reference. */
  readonly uri: string;
  readonly database: string;
  readonly collection: string;
}

/** A sink of the user's own: a module that exports `openSink` (docs/writing-a-sink.md). */
export interface ModuleSinkConfig extends QueueSinkCommon {
  readonly kind: 'module';
  /** Path of the module; relative to the configuration's folder in the file, absolute here. */
  readonly module: string;
  /** As the file has it, references resolved. */
  readonly options: Readonly<Record<string, unknown>>;
}

export type QueueSinkConfig = ElasticsearchSinkConfig | SplunkSinkConfig | MongodbSinkConfig | ModuleSinkConfig;
export type SinkConfig = LogSinkConfig | QueueSinkConfig;

/** Of the two kinds of sink: which one this is. */
export function isQueueSink(sink: SinkConfig): sink is QueueSinkConfig {
  switch (sink.kind) {
    case 's3':
    case 'folder':
    case 'hdfs':
      return false;
    case 'elasticsearch':
    case 'splunk':
    case 'mongodb':
    case 'module':
      return true;
    default:
      return sink satisfies never;
  }
}
