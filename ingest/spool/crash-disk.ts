// A disk that kills its process at a named step, so that tests can prove what every kill leaves behind. Wrapped around the real one where
// WAGGLE_CRASH_AT names a step, and nowhere else: it costs nothing otherwise.
//
//   WAGGLE_CRASH_AT = step [":" n]       at the n-th time, the first unless given; step = file "." moment
//   file            = segment | cursor | notes | folder
//   moment          = create | created | write | torn | written | sync | synced | read | rename | renamed | delete | deleted
//
// `write` is before, `written` after, `torn` with half of the bytes written; a folder has `sync` and `synced` alone.
import type { Disk, DiskFile } from './disk.ts';
import { SEGMENT_SUFFIX } from './format.ts';

type Subject = 'segment' | 'cursor' | 'notes' | 'folder';
type Moment =
  | 'create'
  | 'created'
  | 'write'
  | 'torn'
  | 'written'
  | 'sync'
  | 'synced'
  | 'read'
  | 'rename'
  | 'renamed'
  | 'delete'
  | 'deleted';
export type CrashStep = `${Subject}.${Moment}`;

const file = ['create', 'created', 'write', 'torn', 'written', 'sync', 'synced'] as const;
const replaced = [...file, 'rename', 'renamed'] as const;
export const crashSteps: readonly CrashStep[] = [
  ...[...file, 'read', 'delete', 'deleted'].map((moment) => `segment.${moment}` as CrashStep),
  ...replaced.map((moment) => `cursor.${moment}` as const),
  ...replaced.map((moment) => `notes.${moment}` as const),
  'folder.sync',
  'folder.synced',
];

/** The disk itself where there is no text. `die` does not return. Throws an error for people where the text names no step. */
export function crashDisk(disk: Disk, text: string | undefined, die: () => never): Disk {
  if (text === undefined || text === '') return disk;
  const [, wanted, times = '1'] = /^([a-z.]+)(?::([1-9][0-9]{0,8}))?$/.exec(text) ?? [];
  if (!crashSteps.some((step) => step === wanted))
    throw new Error(`WAGGLE_CRASH_AT=${text}: there is no such step; the steps are ${crashSteps.join(', ')}`);
  let left = Number(times);
  const isNow = (subject: Subject | null, moment: Moment): boolean => `${subject}.${moment}` === wanted && --left === 0;
  const at = (subject: Subject | null, moment: Moment): void => {
    if (isNow(subject, moment)) die();
  };
  const wrap = (subject: Subject | null, inner: DiskFile): DiskFile => ({
    write(buffers, position, done) {
      at(subject, 'write');
      if (isNow(subject, 'torn')) {
        const bytes = Buffer.concat(buffers);
        return inner.write([bytes.subarray(0, bytes.length >>> 1)], position, die);
      }
      inner.write(buffers, position, (error) => {
        at(subject, 'written');
        done(error);
      });
    },
    sync(done) {
      at(subject, 'sync');
      inner.sync((error) => {
        at(subject, 'synced');
        done(error);
      });
    },
    read(target, length, position) {
      at(subject, 'read');
      return inner.read(target, length, position);
    },
    close: () => inner.close(),
  });
  return {
    ...disk,
    async create(path) {
      const subject = subjectOf(path);
      at(subject, 'create');
      const made = await disk.create(path);
      at(subject, 'created');
      return wrap(subject, made);
    },
    async openToRead(path) {
      return wrap(subjectOf(path), await disk.openToRead(path));
    },
    async rename(from, to) {
      at(subjectOf(to), 'rename');
      await disk.rename(from, to);
      at(subjectOf(to), 'renamed');
    },
    async unlink(path) {
      const subject = path.endsWith('.tmp') ? null : subjectOf(path);
      at(subject, 'delete');
      await disk.unlink(path);
      at(subject, 'deleted');
    },
    async syncFolder(path) {
      at('folder', 'sync');
      await disk.syncFolder(path);
      at('folder', 'synced');
    },
  };
}

function subjectOf(path: string): Subject | null {
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (name.endsWith(SEGMENT_SUFFIX)) return 'segment';
  if (name.startsWith('cursor.')) return 'cursor';
  return name.startsWith('notes') ? 'notes' : null;
}
