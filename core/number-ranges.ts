// Ranges of numbers (positive safe integers), and their text: in headers of batches, in chain records, in receipts.
//
// Text: set = [ range *("," range) ]; range = number / number "-" number; number = %x31-39 *DIGIT.
// One text for one set: ranges ascend, never touch (1-2,3 is 1-3), and a range of one number is written as that number.

/** Inclusive at both ends. */
export type NumberRange = readonly [first: number, last: number];

/** Where a text is no set of numbers: `at` is the offset of the first character that does not fit. */
export class NumberSyntaxError extends Error {
  override readonly name = 'NumberSyntaxError';
  readonly at: number;
  constructor(what: string, at: number) {
    super(`numbers: ${what} at character ${at + 1}`);
    this.at = at;
  }
}

/** Strict. Throws NumberSyntaxError. An empty text is no ranges. */
export function decodeRanges(text: string): NumberRange[] {
  const ranges: NumberRange[] = [];
  if (text === '') return ranges;
  const number = /[1-9][0-9]{0,15}/y;
  let at = 0;
  const read = (): number => {
    number.lastIndex = at;
    const digits = number.exec(text)?.[0];
    if (digits === undefined) throw new NumberSyntaxError('a number was expected', at);
    const value = Number(digits);
    if (!Number.isSafeInteger(value)) throw new NumberSyntaxError('a number above 2^53-1', at);
    at += digits.length;
    return value;
  };
  let previous = -1;
  for (;;) {
    const start = at;
    const first = read();
    if (first <= previous + 1) throw new NumberSyntaxError('a range that does not lie above the one before it', start);
    let last = first;
    if (text[at] === '-') {
      at++;
      const end = at;
      last = read();
      if (last <= first) throw new NumberSyntaxError('a range whose end is not above its start', end);
    }
    ranges.push([first, last]);
    previous = last;
    if (at === text.length) return ranges;
    if (text[at] !== ',') throw new NumberSyntaxError('a comma was expected', at);
    at++;
  }
}

/** Of ascending, disjoint ranges; those that touch become one. */
export function encodeRanges(ranges: Iterable<NumberRange>): string {
  let text = '';
  let first = 0;
  let last = 0;
  const put = (): void => {
    if (first > 0) text += `${text === '' ? '' : ','}${first === last ? first : `${first}-${last}`}`;
  };
  for (const range of ranges) {
    if (first > 0 && range[0] === last + 1) last = range[1];
    else {
      put();
      [first, last] = range;
    }
  }
  put();
  return text;
}

/** How many numbers the ranges hold. */
export function countRanges(ranges: Iterable<NumberRange>): number {
  let count = 0;
  for (const [first, last] of ranges) count += last - first + 1;
  return count;
}
