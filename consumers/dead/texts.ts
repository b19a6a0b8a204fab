// Dead letters as people see them: the table of a list, its summary, one letter with its history. Pure.
import type { DeadRecord, StoredLetter } from '#core/dead-letter.ts';
import type { Letter } from './letters.ts';
import type { PlacedRecord } from './read.ts';

/** So many digits of an id are shown, and as few are enough to name a letter. */
export const SHORT_ID = 12;
const MESSAGE_SHOWN = 80;

const HEAD = ['LETTER', 'LAST', 'SITE', 'SINK', 'TYPE', 'REASON', 'TRIED', 'STATE', 'MESSAGE'];

/** A table's lines, without its summary. Rows are made twice, so that those of many letters need no memory. */
export function* lettersTable(letters: readonly Letter[]): Generator<string, void> {
  if (letters.length === 0) return;
  const widths = HEAD.map((head) => head.length);
  for (const letter of letters)
    for (const [column, cell] of cells(letter).entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  const line = (row: readonly string[]): string =>
    `${row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd()}\n`;
  yield line(HEAD);
  for (const letter of letters) yield line(cells(letter));
}

const cells = (letter: Letter): readonly string[] => [
  letter.id.slice(0, SHORT_ID),
  timeText(letter.last),
  letter.lies,
  letter.sink || '-',
  printable(letter.type) || '-',
  reasonText(letter),
  String(letter.attempts),
  stateText(letter),
  printable(letter.message).slice(0, MESSAGE_SHOWN),
];

/** Letters by sink, reason and code, the most first. */
export function summary(letters: Iterable<Letter>): readonly SummaryLine[] {
  const counts = new Map<string, { sink: string; reason: string; code: string; open: number; resolved: number }>();
  for (const { sink, reason, code, resolved } of letters) {
    const key = JSON.stringify([sink, reason, code]);
    let line = counts.get(key);
    if (line === undefined) counts.set(key, (line = { sink, reason, code, open: 0, resolved: 0 }));
    if (resolved === null) line.open++;
    else line.resolved++;
  }
  return [...counts.values()].toSorted((a, b) => b.open + b.resolved - a.open - a.resolved);
}

export interface SummaryLine {
  readonly sink: string;
  readonly reason: string;
  readonly code: string;
  readonly open: number;
  readonly resolved: number;
}

export function summaryText(lines: readonly SummaryLine[]): string {
  const total = lines.reduce((sum, { open, resolved }) => sum + open + resolved, 0);
  const each = lines.map((line) => {
    const states = [line.open > 0 ? `${line.open} open` : '', line.resolved > 0 ? `${line.resolved} resolved` : ''];
    return `  ${line.sink || 'no sink'}: ${reasonText(line)}: ${states.filter((text) => text !== '').join(', ')}\n`;
  });
  return `${total} letter${total === 1 ? '' : 's'}${total === 0 ? '' : ', by sink and reason:'}\n${each.join('')}`;
}

/** One JSON object, on one line. */
export function letterJson(letter: Letter): string {
  const { first, last, offset, resolved, ...rest } = letter;
  const state = resolved === null ? 'open' : 'resolved';
  const resolution = resolved === null ? null : { reason: resolved.reason, at: timeText(resolved.at) };
  return JSON.stringify({
    ...rest,
    first: timeText(first),
    last: timeText(last),
    offset: String(offset),
    state,
    resolution,
  });
}

/** All records of one letter, without its body. */
export function historyText(letter: Letter, records: readonly PlacedRecord[], found: StoredLetter): string {
  const { event, position } = found;
  const facts: readonly (readonly [string, string])[] = [
    ['letter', letter.id],
    ['state', stateText(letter)],
    ['lies at', letter.lies],
    ['sink', letter.sink || '-'],
    ['type', letter.type || '-'],
    ['event', event === null ? '-' : `id ${event.id}, source ${event.source}`],
    ['read at', position === null ? found.site : `${found.site}, ${position.stream}, offset ${position.offset}`],
    ['content', `${found.content}, ${found.body.length} bytes`],
  ];
  const history = records.map(({ record, offset }) => `  ${String(offset)}  ${recordText(record)}\n`);
  return `${facts.map(([name, value]) => `${name.padEnd(8)} ${printable(value)}\n`).join('')}history\n${history.join('')}`;
}

function recordText(record: DeadRecord): string {
  if (record.kind === 'resolution') return printable(`${timeText(record.at)}  ${record.reason}: ${record.message}`);
  const since = record.first === record.last ? '' : ` since ${timeText(record.first)}`;
  const tried = `tried ${record.attempts} time${record.attempts === 1 ? '' : 's'}${since}`;
  return printable(`${timeText(record.last)}  ${reasonText(record)}, ${tried}: ${record.message}`);
}

const timeText = (time: number): string => (time === 0 ? '-' : new Date(time).toISOString());

const reasonText = ({ reason, code }: { readonly reason: string; readonly code: string }): string =>
  code === '' ? reason : `${reason} (${printable(code)})`;

const stateText = ({ resolved }: Letter): string =>
  resolved === null ? 'open' : `${resolved.reason} ${timeText(resolved.at)}`;

/** Targets and senders choose these texts: nothing in them may command a terminal. */
const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{FFFD}');
