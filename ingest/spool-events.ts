// What the spool has to tell the operator, as facts.
import type { Telemetry } from '#core/io/telemetry.ts';
import type { SpoolEvent } from './spool/contract.ts';

export function spoolObserver(telemetry: Telemetry): (event: SpoolEvent) => void {
  return (event) => {
    const { kind, ...fields } = event;
    switch (event.kind) {
      case 'synced':
        return; // Many a second.
      case 'opened':
        return telemetry.fact(
          'info',
          'spool.opened',
          fields,
          `spool opened in ${event.milliseconds} ms: ${event.adopted} segments of earlier processes, ${event.bytes} bytes`,
        );
      case 'identity':
      case 'rolled':
      case 'removed':
        return telemetry.fact('debug', `spool.${kind}`, fields);
      case 'disk-failed':
        return telemetry.fact(
          'error',
          'spool.disk-failed',
          fields,
          `${event.step} of ${event.path} failed: ${event.code} ${event.message}`,
        );
      case 'refusing':
        return telemetry.fact(
          'error',
          'spool.refusing',
          fields,
          `the spool takes no events (${event.reason}): ${event.message}; senders are told to come back`,
        );
      case 'share-full':
        return telemetry.fact(
          'warn',
          'spool.share-full',
          fields,
          `${event.holder} has its share of the spool (agent.spool.share): it is refused, others are taken`,
        );
      case 'recovered':
        return telemetry.fact(
          'info',
          'spool.recovered',
          fields,
          `the spool takes events again, after ${event.milliseconds} ms`,
        );
      case 'quarantined':
        return telemetry.fact(
          'error',
          'spool.quarantined',
          fields,
          `${event.segment} is damaged at ${event.offset}: ${event.events} events are lost; see ${event.file ?? 'nothing, the bytes were zero'}`,
        );
      case 'cursor-unreadable':
        return telemetry.fact(
          'warn',
          'spool.cursor-unreadable',
          fields,
          `the cursor of route ${event.route} cannot be read (${event.message}): what is spooled is sent again, and dropped where it was seen`,
        );
      case 'notes-unreadable':
        return telemetry.fact(
          'error',
          'spool.notes-unreadable',
          fields,
          `${event.message}: how far tailed files were read is known only as far as segments are left; lines may come again`,
        );
      case 'skipped':
        return telemetry.fact(
          'warn',
          'spool.skipped',
          fields,
          `route ${event.route} is too far behind (agent.route.behind): ${event.events} events that another site has are skipped for it, and counted as dropped-skipped`,
        );
      case 'lost':
        return telemetry.fact(
          'error',
          'spool.lost',
          fields,
          `${event.events} events of level memory are lost: the disk took nothing until the end`,
        );
      default:
        return event satisfies never;
    }
  };
}
