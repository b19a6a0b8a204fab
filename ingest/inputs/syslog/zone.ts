// Local times of a zone, as UTC.

const HOUR = 3_600_000;

/** For an IANA name: local milliseconds (as if they were UTC) to UTC. An hour that comes twice is the first, one that does not come is put off. */
export function zoneReader(timeZone: string): (local: number) => number {
  if (timeZone === 'UTC') return (local) => local;
  const format = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const offsets = new Map<number, number>();
  // Offsets change at quarters of an hour at most.
  const offsetAt = (time: number): number => {
    const quarter = Math.floor(time / (HOUR / 4));
    let offset = offsets.get(quarter);
    if (offset === undefined) {
      if (offsets.size > 1000) offsets.clear();
      const name = format.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value ?? '';
      const [, sign, hours = '0', minutes = '0'] = /([+-])(\d{2}):?(\d{2})?/.exec(name) ?? [];
      offset = (sign === '-' ? -1 : 1) * (Number(hours) * HOUR + Number(minutes) * (HOUR / 60));
      offsets.set(quarter, offset);
    }
    return offset;
  };
  return (local) => {
    const guess = local - offsetAt(local);
    const before = local - offsetAt(guess - 2 * HOUR);
    // Both offsets around a change are tried, the earlier time first.
    const fits = [before, guess, local - offsetAt(guess)].find((time) => time + offsetAt(time) === local);
    return fits ?? guess;
  };
}
