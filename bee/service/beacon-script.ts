// The browser client as JavaScript, out of the very file that applications import: types are blanked, so lines stay where they are.
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

/** An ES module: `import { createBeacon } from "https://bee.example.com/v1/beacon.js"`. */
export function beaconScript(): string {
  const typed = join(import.meta.dirname, '../beacon.ts');
  const warn = process.emitWarning.bind(process);
  try {
    const source = readFileSync(typed, 'utf8');
    // Node calls this function experimental, in a warning that says nothing to who runs Bee.
    process.emitWarning = () => {};
    return stripTypeScriptTypes(source);
  } catch {
    // The published package holds what the compiler made of it.
    return readFileSync(join(import.meta.dirname, '../beacon.js'), 'utf8');
  } finally {
    process.emitWarning = warn;
  }
}
