// A checked sink out of the file's own form.
import { dirname, isAbsolute, join } from 'node:path';
import { parseDuration, parseSize } from '../units.ts';
import type { PickConfig, SinkConfig, TlsConfig } from './sink-config.ts';
import type { LogSinkKindFile, PickFile, QueueSinkKindFile, SinkFile, TlsFile } from './sink-file.ts';

/** `file`: the path of the configuration. */
export function shapeSink(file: string, name: string, sink: SinkFile, firstSite: string): SinkConfig {
  const { mapping } = sink;
  const common = {
    name,
    home: sink.home ?? firstSite,
    match: sink.match,
    mapping:
      mapping === undefined ? null : { drop: mapping.drop ?? [], rename: mapping.rename ?? {}, set: mapping.set ?? {} },
    admin: sink.admin,
    memory: bytes(sink.memory),
  };
  switch (sink.kind) {
    case 's3': {
      const { access_key_id: accessKeyId = '', secret_access_key: secretAccessKey = '' } = sink.credentials ?? {};
      return {
        kind: 's3',
        ...common,
        ...rotation(sink),
        bucket: sink.bucket ?? '',
        prefix: sink.prefix,
        region: sink.region,
        endpoint: sink.endpoint ?? null,
        pathStyle: sink.path_style ?? sink.endpoint !== undefined,
        credentials: sink.credentials === undefined ? null : { accessKeyId, secretAccessKey },
      };
    }
    case 'folder':
      return { kind: 'folder', ...common, ...rotation(sink), path: sink.path ?? '' };
    case 'hdfs':
      return {
        kind: 'hdfs',
        ...common,
        ...rotation(sink),
        nameNodes: sink.name_nodes ?? [],
        path: sink.path ?? '',
        user: sink.user,
        delegationToken: sink.delegation_token ?? null,
        tls: tlsOf(sink.tls),
        timeout: ms(sink.timeout),
      };
    case 'elasticsearch':
      return {
        kind: 'elasticsearch',
        ...common,
        ...batching(sink),
        nodes: sink.nodes ?? [],
        auth:
          sink.api_key !== undefined
            ? { kind: 'api-key', apiKey: sink.api_key }
            : sink.username !== undefined
              ? { kind: 'basic', username: sink.username, password: sink.password ?? '' }
              : { kind: 'none' },
        tls: tlsOf(sink.tls),
        index: sink.index,
        dataStream: sink.data_stream,
        template: sink.template,
        compression: sink.compression,
      };
    case 'splunk':
      return {
        kind: 'splunk',
        ...common,
        ...batching(sink),
        endpoints: sink.endpoints ?? [],
        token: sink.token ?? '',
        tls: tlsOf(sink.tls),
        ack: { enabled: sink.ack.enabled, poll: ms(sink.ack.poll), timeout: ms(sink.ack.timeout) },
        index: pickOf(sink.index),
        source: pickOf(sink.source),
        sourcetype: pickOf(sink.sourcetype),
        host: pickOf(sink.host),
        fields: sink.fields,
        compression: sink.compression,
      };
    case 'mongodb':
      return {
        kind: 'mongodb',
        ...common,
        ...batching(sink),
        uri: sink.uri ?? '',
        database: sink.database,
        collection: sink.collection,
      };
    case 'module': {
      const module = sink.module ?? '';
      return {
        kind: 'module',
        ...common,
        ...batching(sink),
        module: isAbsolute(module) ? module : join(dirname(file), module),
        options: sink.options,
      };
    }
    default:
      return sink satisfies never;
  }
}

function rotation({ rotate }: LogSinkKindFile) {
  return { rotate: { size: bytes(rotate.size), count: rotate.count, age: ms(rotate.age) } };
}

function batching({ connections, batch, timeout }: QueueSinkKindFile) {
  return {
    connections,
    batch: { size: bytes(batch.size), count: batch.count, age: ms(batch.age) },
    timeout: ms(timeout),
  };
}

const tlsOf = (tls: TlsFile | undefined): TlsConfig => ({ ca: tls?.ca ?? null, fingerprint: tls?.fingerprint ?? null });
const pickOf = (pick: PickFile | undefined): PickConfig => ({ from: pick?.from ?? null, or: pick?.or ?? null });

// The schema has checked both; an absent one cannot come here, since each has a default.
const bytes = (text: string): number => parseSize(text) ?? 0;
const ms = (text: string): number => parseDuration(text) ?? 0;
