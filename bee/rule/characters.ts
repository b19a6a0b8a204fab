// Text as it may go on: composed (NFC), without characters that nobody sees, that turn the direction of text, or that are none.
//
// Taken out: control characters, bidirectional controls, zero-width and other default-ignorable characters (tag characters, fillers, soft
// hyphens), separators of lines and paragraphs, halves of surrogate pairs, noncharacters. Three stay where writing needs them: the zero-width
// joiner between emoji, the non-joiner between letters, and the variation selectors 15 and 16 after emoji.

/** Printable ASCII: what almost every text is, and what needs no cleaning. */
export const PLAIN = /^[\x20-\x7e]*$/;

const FORBIDDEN = String.raw`[[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}\u2028\u2029\ufff9-\ufffb]--[\u200c\u200d\ufe0e\ufe0f]]`;
const JOINER = String.raw`(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])\u200d|\u200d(?!\p{Extended_Pictographic})`;
const NON_JOINER = String.raw`(?<![\p{L}\p{M}])\u200c|\u200c(?![\p{L}\p{M}])`;
const SELECTOR = String.raw`(?<!\p{Emoji})[\ufe0e\ufe0f]`;
const STRIP = new RegExp(`${FORBIDDEN}|${JOINER}|${NON_JOINER}|${SELECTOR}`, 'gv');
const STRIP_IN_LINES = new RegExp(`(?![\\n\\t])${FORBIDDEN}|${JOINER}|${NON_JOINER}|${SELECTOR}`, 'gv');
const BREAKS_AND_TABS = /\r\n|[\t\n\v\f\r\u0085\u2028\u2029]/g;
const BREAKS = /\r\n|[\v\f\r\u0085\u2028\u2029]/g;
/**
 * Of marks upon marks only 30 stay, as many as the stream-safe format of Unicode (UAX 15) has: nobody writes more, and to compose a run of
 * them takes time by its square (half a minute for a megabyte).
 */
const MARKS_IN_EXCESS = /(?<=\p{M}{30})\p{M}+/gv;
/** More than this is never needed: what a pass leaves depends on its neighbours, and those on theirs. */
const MAX_PASSES = 8;

function strip(text: string, lines: boolean): string {
  return lines
    ? text.replace(BREAKS, '\n').replace(STRIP_IN_LINES, '')
    : text.replace(BREAKS_AND_TABS, ' ').replace(STRIP, '');
}

export interface Cleaned {
  readonly text: string;
  readonly composed: boolean;
  readonly stripped: boolean;
}

/** Composed and stripped until nothing changes any more. */
export function cleanText(text: string, lines: boolean): Cleaned {
  let current = text;
  let composed = false;
  let stripped = false;
  for (let pass = 0; pass < MAX_PASSES; pass++) {
    const bounded = current.length > 30 ? current.replace(MARKS_IN_EXCESS, '') : current;
    const normal = bounded.normalize('NFC');
    const clean = strip(normal, lines);
    composed ||= normal !== bounded;
    stripped ||= clean !== normal || bounded !== current;
    if (clean === current) break;
    current = clean;
  }
  return { text: current, composed, stripped };
}

/** The first n characters (code points). */
export function truncate(text: string, n: number): string {
  if (text.length <= n) return text;
  let units = 0;
  for (let count = 0; count < n && units < text.length; count++) {
    const unit = text.charCodeAt(units);
    units += unit >= 0xd800 && unit <= 0xdbff && units + 1 < text.length ? 2 : 1;
  }
  return text.slice(0, units);
}

const DIGITS_IN_GROUPS = /\d(?:[ -]?\d){12,}/g;
const MIN_CARD = 13;
const MAX_CARD = 19;

/** Card numbers (13 to 19 digits, alone or in groups, whose check digit is right) with all but their last four digits as stars. */
export function maskCards(text: string): string {
  if (text.length < MIN_CARD) return text;
  return text.replace(DIGITS_IN_GROUPS, maskGroups);
}

function maskGroups(run: string): string {
  const parts = run.split(/([ -])/); // groups at even places, what stands between them at odd ones
  for (let from = 0; from < parts.length; from += 2) {
    const check = new CheckDigits();
    for (let to = from; to < parts.length && check.count < MAX_CARD; to += 2) {
      check.add(parts[to] ?? '');
      if (check.count < MIN_CARD || check.count > MAX_CARD || !check.holds()) continue;
      let open = check.count - 4;
      for (let i = from; i <= to; i += 2)
        parts[i] = (parts[i] ?? '').replace(/\d/g, (digit) => (open-- > 0 ? '*' : digit));
      from = to;
      break;
    }
  }
  return parts.join('');
}

/** ISO/IEC 7812-1, annex B, digit by digit: which are doubled hangs on how many there are, so both sums are kept. */
class CheckDigits {
  count = 0;
  #anyOther = false;
  /** With the digits at even places doubled, and with those at odd ones. */
  #even = 0;
  #odd = 0;

  /** Digits beyond those that a card has are counted alone. */
  add(digits: string): void {
    for (let i = 0; i < digits.length && this.count <= MAX_CARD; i++, this.count++) {
      const digit = digits.charCodeAt(i) - 0x30;
      const doubled = digit > 4 ? 2 * digit - 9 : 2 * digit;
      this.#anyOther ||= digit !== 0;
      this.#even += this.count % 2 === 0 ? doubled : digit;
      this.#odd += this.count % 2 === 0 ? digit : doubled;
    }
  }

  holds(): boolean {
    return this.#anyOther && (this.count % 2 === 0 ? this.#even : this.#odd) % 10 === 0;
  }
}
