// waggle.yaml's text to a checked configuration, or to everything that is wrong with it.
import type { Config } from './config.ts';
import { offsetOf, parseDocument } from './document.ts';
import type { ConfigFile } from './file.ts';
import { materialize } from './materialize.ts';
import { checkMeaning } from './meaning.ts';
import type { Needs } from './needs.ts';
import { byPosition, formatPath, positionOf, type PathStep, type Problem } from './problem.ts';
import type { Surroundings } from './reference.ts';
import { shape } from './shape.ts';
import { validate } from './validate.ts';

export interface ConfigInput extends Surroundings {
  /** Path of the file, for messages. */
  readonly file: string;
  /** Name of this machine: the default of agent.host. */
  readonly host: string;
}

export type Checked =
  /** `unset`: references that this command does not need and that resolve to nothing here. */
  | { readonly kind: 'ok'; readonly config: Config; readonly unset: readonly Problem[] }
  /** In the order of the file. */
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

/** Bytes beyond which a configuration is refused unread. */
export const maxConfigBytes = 1_048_576;

/** Total: whatever the text, it answers and does not throw. */
export function checkConfig(text: string, input: ConfigInput, needs: Needs): Checked {
  if (text.length > maxConfigBytes) {
    return { kind: 'invalid', problems: [{ line: 1, column: 1, path: '', message: 'is larger than 1 MiB' }] };
  }
  const parsed = parseDocument(text);
  if (parsed.kind === 'invalid') return parsed;
  const { root } = parsed;
  const { value, resolved, unset, problems } = materialize(root, input, needs);

  const missing = new Set([...unset, ...problems].map(({ path }) => formatPath(path)));
  const isResolved = (path: readonly PathStep[]): boolean => resolved.has(formatPath(path));
  const isAbsent = (path: readonly PathStep[]): boolean => missing.has(formatPath(path));
  const problemAt = ({
    path,
    message,
    at,
  }: {
    path: readonly PathStep[];
    message: string;
    at: 'key' | 'value';
  }): Problem => ({
    ...positionOf(text, offsetOf(root, path, at)),
    path: formatPath(path),
    message,
  });
  const found = [
    ...problems.map((problem) => problemAt({ ...problem, at: 'value' })),
    ...validate(value, isResolved, isAbsent).map(problemAt),
    ...checkMeaning(value, isResolved, isAbsent).map(problemAt),
  ];
  if (found.length > 0) return { kind: 'invalid', problems: found.toSorted(byPosition) };
  return {
    kind: 'ok',
    config: shape(input.file, input.host, value as ConfigFile),
    unset: unset.map((one) => problemAt({ ...one, at: 'value' })),
  };
}
