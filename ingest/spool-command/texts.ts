// How the commands of the spool write counts, sizes and times. Pure.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

export const countText = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

export const timeText = (time: number): string => new Date(time).toISOString();

export const numbersText = (first: number, last: number): string => (first === last ? `${first}` : `${first}-${last}`);
