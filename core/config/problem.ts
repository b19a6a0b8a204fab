// What is wrong with a configuration, for people: file, line, column, path, and what to write instead. Never a value that could be a secret.

export interface Problem {
  readonly line: number;
  readonly column: number;
  /** `sinks.s3.rotate.size`; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** `waggle.yaml:12:5: sinks.s3.rotate.size: must be a size such as 64MiB`. */
export function formatProblem(file: string, { line, column, path, message }: Problem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;
}

export const byPosition = (a: Problem, b: Problem): number => a.line - b.line || a.column - b.column;

/** Line and column, both from 1, of an offset in UTF-16 units. */
export function positionOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/);
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

export type PathStep = string | number;

/** `agent.types[0].match`. */
export function formatPath(path: readonly PathStep[]): string {
  return path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`))
    .join('');
}

/** `; did you mean "balance"?` where one of the names is near, else ''. */
export function didYouMean(wrong: string, names: readonly string[]): string {
  let best = '';
  let bestDistance = Math.max(1, Math.round(wrong.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(wrong.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best === '' ? '' : `; did you mean "${best}"?`;
}

// Optimal string alignment: insert, delete, replace, or swap two neighbours. Long words are cut: nobody mistypes those.
function editDistance(first: string, second: string): number {
  const a = first.slice(0, 40);
  const b = second.slice(0, 40);
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + cost,
        swapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
