// From a log sink's configuration to its store: the one table. Each is loaded only where it is used, so that a process holds its own target's
// client and no other.
import type { LogSinkConfig } from '#core/config/sink-config.ts';
import type { ObjectStore } from './chain/store.ts';

export async function openSinkStore(sink: LogSinkConfig): Promise<ObjectStore> {
  const { kind } = sink;
  switch (kind) {
    case 's3': {
      const { openS3Store } = await import('./s3/index.ts');
      return openS3Store(sink);
    }
    case 'folder': {
      const { openFolderStore } = await import('./folder/index.ts');
      return openFolderStore(sink);
    }
    case 'hdfs': {
      const { openHdfsStore } = await import('./hdfs/index.ts');
      return openHdfsStore(sink);
    }
    default:
      return kind satisfies never;
  }
}
