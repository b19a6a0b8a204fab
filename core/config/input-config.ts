// The ways in of an agent, checked. One entry for each input; null where it is not configured. Sizes are bytes, times milliseconds.
import type { Level } from './config.ts';

export interface InputsConfig {
  readonly http: HttpInputConfig | null;
}

export interface HttpInputConfig {
  readonly listen: string;
  readonly level: Level;
  readonly maxBody: number;
  readonly maxEvent: number;
}
