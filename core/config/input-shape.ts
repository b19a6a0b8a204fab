// The checked inputs out of the file's own form.
import { parseSize } from '../units.ts';
import type { Level } from './config.ts';
import type { InputsConfig } from './input-config.ts';

/** As the file writes them, once the schema holds and its defaults are in. */
export interface InputsFile {
  readonly http?: {
    readonly listen: string;
    readonly level: Level;
    readonly max_body: string;
    readonly max_event: string;
  };
}

export function shapeInputs({ http }: InputsFile): InputsConfig {
  return {
    http:
      http === undefined
        ? null
        : { listen: http.listen, level: http.level, maxBody: bytes(http.max_body), maxEvent: bytes(http.max_event) },
  };
}

// The schema has checked it.
const bytes = (text: string): number => parseSize(text) ?? 0;
