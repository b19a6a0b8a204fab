// From a sink's configuration to its store: the one table of log sinks.
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import type { ObjectStore } from './chain/store.ts';
import { openFolderStore } from './folder/index.ts';
import { openHdfsStore } from './hdfs/index.ts';
import { openS3Store } from './s3/index.ts';

export function openSinkStore(sink: LogSinkConfig): ObjectStore {
  const { kind } = sink;
  switch (kind) {
    case 's3':
      return openS3Store(sink);
    case 'folder':
      return openFolderStore(sink);
    case 'hdfs':
      return openHdfsStore(sink);
    default:
      return kind satisfies never;
  }
}
