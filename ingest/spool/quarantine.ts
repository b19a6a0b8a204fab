// Keeps the bytes of damaged places, so that nothing is deleted by hand and nothing is lost that somebody may still decipher.
import { replaceFile, type Disk } from './disk.ts';
import { readOrZero, type Damage } from './segment-reader.ts';

const QUARANTINE = 'quarantine';
/** A damaged place may be a whole segment; it goes into files of at most this much. */
const PIECE = 4 * 1024 * 1024;

/**
 * Copies the bytes to the quarantine folder and resolves once they are on the disk: with the name of the (first) file, or null where they are
 * all zero, as a hole that a crash left is. The name tells segment and offset, so that doing it again changes nothing. Rejects with what the disk says.
 */
export async function quarantine(disk: Disk, folder: string, damage: Damage): Promise<string | null> {
  if (damage.to <= damage.from) return null;
  const { file: name } = damage.segment;
  const file = await disk.openToRead(`${folder}/${name}`);
  let kept: string | null = null;
  try {
    const piece = Buffer.allocUnsafe(Math.min(PIECE, damage.to - damage.from));
    for (let at = damage.from; at < damage.to; at += piece.length) {
      const got = await readOrZero(file, piece, Math.min(piece.length, damage.to - at), at, () => undefined);
      const bytes = piece.subarray(0, got);
      if (bytes.every((byte) => byte === 0)) continue;
      if (kept === null) await disk.makeFolder(`${folder}/${QUARANTINE}`);
      const target = `${name}.${at}.bytes`;
      await replaceFile(disk, `${folder}/${QUARANTINE}`, target, bytes);
      kept ??= target;
    }
  } finally {
    await file.close();
  }
  if (kept !== null) await disk.syncFolder(folder);
  return kept;
}
