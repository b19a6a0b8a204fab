// How long a federation buffer can go on growing: from its rates and the disks of its members. Pure.
import { fieldsOf, type Observed, type ObservedNode, type ObservedSite } from './objects.ts';

export interface Outlook {
  readonly messages: number;
  readonly bytes: number;
  /** Bytes a second by which it grows; 0 where it does not. */
  readonly growth: number;
  /** Seconds until the first of its nodes blocks publishers; Infinity where it does not grow. */
  readonly secondsToFull: number;
}

/** Free bytes of the node's disk above the limit at which it blocks publishers. */
export const diskLeft = ({ diskFree, diskLimit }: ObservedNode): number => Math.max(0, diskFree - diskLimit);

/** `buffer`: a quorum queue, whose every member keeps all of it. Rates are those of the last seconds. */
export function outlook({ nodes }: ObservedSite, { fields, messages, members }: Observed): Outlook {
  const bytes = Number(fields['message_bytes'] ?? 0);
  const stats = fieldsOf(fields['message_stats']);
  const rate = (what: string): number => Number(fieldsOf(stats[`${what}_details`])['rate'] ?? 0);
  const growth = messages > 0 ? Math.max(0, (rate('publish') - rate('ack')) * (bytes / messages)) : 0;
  const left = Math.min(
    ...nodes.filter(({ running, name }) => running && (members.length === 0 || members.includes(name))).map(diskLeft),
  );
  return { messages, bytes, growth, secondsToFull: growth > 0 ? left / growth : Infinity };
}

/** `3 h 20 min`, for people. */
export function roughly(seconds: number): string {
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

/** `1.5 GB`, for people. */
export function sizeText(bytes: number): string {
  const [unit, divisor] = (
    [
      ['GB', 1e9],
      ['MB', 1e6],
      ['kB', 1e3],
    ] as const
  ).find(([, least]) => bytes >= least) ?? ['bytes', 1];
  return `${Number((bytes / divisor).toPrecision(3))} ${unit}`;
}
