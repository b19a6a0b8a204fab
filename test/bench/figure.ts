// What a benchmark answers, and how it is shown: a line of the table as it goes, and docs/performance.md. Pure.

/** `ratio`: ours to the baseline's, of the same pair. */
export type Target =
  | { readonly kind: 'ratio'; readonly atLeast: number }
  /** A ratio that is shown and not judged. */
  | { readonly kind: 'beside' }
  | { readonly kind: 'at-least'; readonly value: number }
  | { readonly kind: 'below'; readonly value: number };

export interface Figure {
  /** What is measured, in a few words. */
  readonly what: string;
  readonly unit: string;
  readonly target: Target;
  /** Medians over the pairs. */
  readonly ours: number;
  readonly baseline: number | null;
  /** What is held against the target, pair by pair: the ratios, or our values. */
  readonly rounds: readonly number[];
  /** What else was seen; empty where nothing. */
  readonly detail: string;
}

export interface Measured {
  readonly benchmark: string;
  /** What is measured and against what, in sentences. */
  readonly about: string;
  readonly figures: readonly Figure[];
  /** Why there are none. */
  readonly failure: string | null;
}

/** The middle one; of an even number the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest value that so large a part of the values does not exceed (nearest rank). */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

const isRatio = ({ kind }: Target): boolean => kind === 'ratio' || kind === 'beside';

/** From values of the same pairs. */
export function figureOf(
  parts: Pick<Figure, 'what' | 'unit' | 'target'> & { readonly detail?: string },
  ours: readonly number[],
  baseline: readonly number[] | null,
): Figure {
  const rounds = isRatio(parts.target) ? ours.map((value, pair) => value / (baseline?.[pair] ?? Number.NaN)) : ours;
  return {
    detail: '',
    ...parts,
    ours: median(ours),
    baseline: baseline === null ? null : median(baseline),
    rounds,
  };
}

/** What is held against the target: the median of the rounds. */
export function isMet({ target, rounds }: Figure): boolean {
  const value = median(rounds);
  switch (target.kind) {
    case 'ratio':
      return value >= target.atLeast;
    case 'at-least':
      return value >= target.value;
    case 'below':
      return value < target.value;
    case 'beside':
      return true;
    default:
      return target satisfies never;
  }
}

const HEAD = ['figure', 'ours', 'baseline', 'ratio', 'target', 'of the pairs', ''] as const;
const WIDTHS = [46, 17, 17, 7, 17, 15, 6] as const;

function cells(figure: Figure): string[] {
  const { what, unit, target, ours, baseline, rounds } = figure;
  const ratio = isRatio(target) ? median(rounds) : baseline === null ? null : ours / baseline;
  const show = isRatio(target) ? decimals : amount;
  return [
    what,
    `${amount(ours)} ${unit}`,
    baseline === null ? '' : `${amount(baseline)} ${unit}`,
    ratio === null ? '' : decimals(ratio),
    targetText(target, unit),
    `${show(Math.min(...rounds))} – ${show(Math.max(...rounds))}`,
    target.kind === 'beside' ? '' : isMet(figure) ? 'met' : 'missed',
  ];
}

function targetText(target: Target, unit: string): string {
  switch (target.kind) {
    case 'ratio':
      return `ratio ≥ ${decimals(target.atLeast)}`;
    case 'at-least':
      return `≥ ${amount(target.value)} ${unit}`;
    case 'below':
      return `< ${amount(target.value)} ${unit}`;
    case 'beside':
      return '';
    default:
      return target satisfies never;
  }
}

const decimals = (value: number): string => value.toFixed(2);

/** Whole from 100 on, with separators; three digits below. */
export function amount(value: number): string {
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}

const padded = (texts: readonly string[]): string =>
  texts
    .map((text, column) => text.padEnd(WIDTHS[column] ?? 0))
    .join(' ')
    .trimEnd();

export const tableHead = (): string => padded(HEAD);

export function tableLines({ benchmark, figures, failure }: Measured): string[] {
  const lines = figures.map((figure) => padded(cells(figure)));
  return failure === null ? lines : [...lines, `${benchmark}: not measured: ${failure}`];
}

const row = (texts: readonly string[]): string => `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

export interface Surroundings {
  /** YYYY-MM-DD. */
  readonly day: string;
  /** Name and value. */
  readonly machine: readonly (readonly [string, string])[];
  /** Written by hand: what profiles say of targets that are missed. */
  readonly notes: string;
}

/** docs/performance.md, whole. */
export function performancePage(measured: readonly Measured[], { day, machine, notes }: Surroundings): string {
  const figures = measured.flatMap((each) => each.figures);
  const missed = figures.filter((figure) => !isMet(figure));
  const details = figures.filter(({ detail }) => detail !== '');
  const failed = measured.flatMap(({ benchmark, failure }) =>
    failure === null ? [] : [`- ${benchmark}: not measured: ${failure}`],
  );
  const verdict =
    missed.length === 0
      ? `${figures.length} figures, all targets met.`
      : `${figures.length} figures, ${missed.length} below target: ${missed.map(({ what }) => what).join('; ')}.`;
  return `${[
    '# Performance',
    `Measured on ${day} by \`npm run bench\`, which writes this page. Figures belong to the machine below; the ratios travel better than the amounts.`,
    '## Machine',
    table(['', ''], machine),
    '## Figures',
    'Each figure is the median of the pairs: ours and its baseline take turns in the same run, so that what else the machine does meets both. The last but one column is the least and the greatest of the pairs: of their ratios, or of our values where the target is an amount.',
    table(HEAD, figures.map(cells)),
    ...failed,
    verdict,
    '## What is measured, and against what',
    measured.map(({ benchmark, about }) => `- **${benchmark}**: ${about}`).join('\n'),
    ...(details.length === 0 ? [] : [details.map(({ what, detail }) => `- ${what}: ${detail}`).join('\n')]),
    notes.trim(),
  ].join('\n\n')}\n`;
}
