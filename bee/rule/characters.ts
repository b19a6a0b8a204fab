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
    const normal = current.normalize('NFC');
    const clean = strip(normal, lines);
    composed ||= normal !== current;
    stripped ||= clean !== normal;
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
    let digits = '';
    for (let to = from; to < parts.length && digits.length < MAX_CARD; to += 2) {
      digits += parts[to] ?? '';
      if (digits.length < MIN_CARD || digits.length > MAX_CARD || !isLuhn(digits)) continue;
      let open = digits.length - 4;
      for (let i = from; i <= to; i += 2)
        parts[i] = (parts[i] ?? '').replace(/\d/g, (digit) => (open-- > 0 ? '*' : digit));
      from = to;
      break;
    }
  }
  return parts.join('');
}

/** ISO/IEC 7812-1, annex B. */
function isLuhn(digits: string): boolean {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 0x30;
    const doubled = i % 2 === 1 ? 2 * digit : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0 && /[1-9]/.test(digits);
}
