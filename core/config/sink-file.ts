// Sinks as the file writes them (see file.ts).

interface CommonFile {
  readonly home?: string;
  readonly match: readonly string[];
  readonly mapping?: {
    readonly drop?: readonly string[];
    readonly rename?: Readonly<Record<string, string>>;
    readonly set?: Readonly<Record<string, unknown>>;
  };
  readonly admin: string;
  readonly memory: string;
}
export interface TlsFile {
  readonly ca?: string;
  readonly fingerprint?: string;
}
interface LogSinkFile extends CommonFile {
  readonly rotate: { readonly size: string; readonly count: number; readonly age: string };
}
interface S3SinkFile extends LogSinkFile {
  readonly kind: 's3';
  readonly bucket?: string;
  readonly prefix: string;
  readonly region: string;
  readonly endpoint?: string;
  readonly path_style?: boolean;
  readonly credentials?: { readonly access_key_id?: string; readonly secret_access_key?: string };
}
interface FolderSinkFile extends LogSinkFile {
  readonly kind: 'folder';
  readonly path?: string;
}
interface HdfsSinkFile extends LogSinkFile {
  readonly kind: 'hdfs';
  readonly name_nodes?: readonly string[];
  readonly path?: string;
  readonly user: string;
  readonly delegation_token?: string;
  readonly tls?: TlsFile;
  readonly timeout: string;
}
interface QueueSinkFile extends CommonFile {
  readonly connections: number;
  readonly batch: { readonly size: string; readonly count: number; readonly age: string };
  readonly timeout: string;
}
interface ElasticsearchSinkFile extends QueueSinkFile {
  readonly kind: 'elasticsearch';
  readonly nodes?: readonly string[];
  readonly username?: string;
  readonly password?: string;
  readonly api_key?: string;
  readonly tls?: TlsFile;
  readonly index: string;
  readonly data_stream: boolean;
  readonly template: boolean;
  readonly compression: boolean;
}
export interface PickFile {
  readonly from?: string;
  readonly or?: string;
}
interface SplunkSinkFile extends QueueSinkFile {
  readonly kind: 'splunk';
  readonly endpoints?: readonly string[];
  readonly token?: string;
  readonly tls?: TlsFile;
  readonly ack: { readonly enabled: boolean; readonly poll: string; readonly timeout: string };
  readonly index?: PickFile;
  readonly source: PickFile;
  readonly sourcetype: PickFile;
  readonly host: PickFile;
  readonly fields: Readonly<Record<string, string>>;
  readonly compression: boolean;
}
interface MongodbSinkFile extends QueueSinkFile {
  readonly kind: 'mongodb';
  readonly uri?: string;
  readonly database: string;
  readonly collection: string;
}
interface ModuleSinkFile extends QueueSinkFile {
  readonly kind: 'module';
  readonly module?: string;
  readonly options: Readonly<Record<string, unknown>>;
}
export type LogSinkKindFile = S3SinkFile | FolderSinkFile | HdfsSinkFile;
export type QueueSinkKindFile = ElasticsearchSinkFile | SplunkSinkFile | MongodbSinkFile | ModuleSinkFile;
export type SinkFile = LogSinkKindFile | QueueSinkKindFile;
