// Exact decimal numbers as text: `-12.50`. No exponent, no plus, no zero in front, at most 18 digits before the point.
export const DECIMAL = /^-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?$/;
const SCALE = 18;

export const isDecimal = (text: string): boolean => DECIMAL.test(text);

/** The pattern of decimals with so many digits behind the point at most. */
export const decimalPattern = (scale: number): string =>
  `^-?(?:0|[1-9][0-9]{0,17})${scale === 0 ? '' : `(?:\\.[0-9]{1,${scale}})?`}$`;

function units(text: string): bigint {
  const [whole = '', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(SCALE, '0'));
}

/** Whether a decimal lies between two, both among them. Doubles decide where they differ: rounding never turns an order around. */
export function isBetween(text: string, min: string, max: string): boolean {
  const value = Number(text);
  if (value > Number(min) && value < Number(max)) return true;
  return compareDecimals(text, min) >= 0 && compareDecimals(text, max) <= 0;
}

/** Below zero, zero, above zero. Both must be decimals. */
export function compareDecimals(a: string, b: string): number {
  const difference = units(a) - units(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Rounded half away from zero; as it is where it has no more digits, or is no decimal. */
export function roundDecimal(text: string, scale: number): string {
  const point = text.indexOf('.');
  if (point < 0 || text.length - point - 1 <= scale || !isDecimal(text)) return text;
  const step = 10n ** BigInt(SCALE - scale);
  const value = units(text);
  const magnitude = value < 0n ? -value : value;
  const rounded = (magnitude + step / 2n) / step;
  const digits = String(rounded).padStart(scale + 1, '0');
  const sign = text.startsWith('-') && rounded !== 0n ? '-' : '';
  return `${sign}${scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`}`;
}
