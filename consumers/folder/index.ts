// The folder sink's wiring: from its configuration to its store.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { FolderSinkConfig } from '#core/config/sink-config.ts';
import type { ObjectStore } from '../chain/store.ts';
import { FolderStore } from './send.ts';

/** A relative path is relative to the working directory, as the configuration's other paths are. Opens nothing yet. */
export function openFolderStore(sink: FolderSinkConfig): ObjectStore {
  return new FolderStore(resolve(sink.path), () => randomBytes(12).toString('hex'));
}
