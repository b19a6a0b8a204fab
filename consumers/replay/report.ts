// How far a replay has come, for people and for programs: one line every few seconds. Pure.
import type { Progress } from './progress.ts';

/** Messages of the log in the replay's range, and those read. */
export function messagesOf({ partitions }: Progress): { readonly read: number; readonly all: number } {
  let read = 0;
  let all = 0;
  for (const { first, next, end } of partitions) {
    read += Number(next - first);
    all += Number(end - first + 1n);
  }
  return { read, all };
}

export interface Since {
  /** Of this run: at its beginning. */
  readonly read: number;
  readonly events: number;
  /** How long it runs, milliseconds. */
  readonly ms: number;
}

export function progressLine(progress: Progress, since: Since, json: boolean): string {
  const { read, all } = messagesOf(progress);
  const seconds = Math.max(since.ms / 1000, 0.001);
  const rate = Math.round((progress.events - since.events) / seconds);
  const speed = (read - since.read) / seconds;
  const left = speed > 0 ? Math.ceil((all - read) / speed) : null;
  const { sink } = progress.asked;
  if (json) {
    const line = {
      sink,
      messages_read: read,
      messages: all,
      events: progress.events,
      events_per_second: rate,
      seconds_left: left,
    };
    return `${JSON.stringify(line)}\n`;
  }
  const share = all === 0 ? 100 : Math.floor((100 * read) / all);
  const wait = left === null ? '' : `, about ${durationText(left)} left`;
  return `${sink}: ${share} % of ${all} messages read, ${progress.events} events published, ${rate} a second${wait}\n`;
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
