// JSON logs on standard output, one line an operational fact.
import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** Level by WAGGLE_LOG_LEVEL (trace, debug, info, warn, error, fatal, silent; info unless given). Fields that could hold a secret are cut out.
 * Written at once: the last lines before an end are the ones that matter, and a fact is rare. */
export function createLog(
  service: string,
  destination: DestinationStream = pino.destination({ fd: 1, sync: true }),
): Log {
  const wanted = process.env['WAGGLE_LOG_LEVEL'];
  const options = {
    base: { service, pid: process.pid },
    level: levels.find((level) => level === wanted) ?? 'info',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '[hidden]' },
  };
  return pino(options, destination);
}

const secretFields = ['password', 'secretAccessKey', 'authorization', 'Authorization'];
