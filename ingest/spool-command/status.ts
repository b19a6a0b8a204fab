// `waggle spool status`: what the folder holds, whether or not an agent is at work.
import { imbalance } from '../ledger.ts';
import { lockHolder } from '../spool/lock.ts';
import { eventsIn, openFolder, read } from './folder.ts';
import { countText, sizeText, timeText } from './texts.ts';

export async function spoolStatus(path: string, json: boolean, print: (text: string) => void): Promise<number> {
  const folder = await openFolder(path);
  const holder = await lockHolder(path);
  const { table, entries, cursors, unreadable } = folder;
  const identities = new Set(table.all.map(({ name }) => name.identity)).size;
  const created = table.all.map((segment) => segment.created);
  const routes = Array.from(cursors, ([route, cursor]) => {
    const ledger = read(folder, cursor).route.ledger();
    return { ...ledger, route, imbalance: imbalance(ledger) };
  });
  const size = (matches: (name: string) => boolean): number =>
    entries.reduce((sum, entry) => (matches(entry.name) ? sum + entry.size : sum), 0);
  const status = {
    path,
    holder,
    segments: table.all.length,
    identities,
    events: eventsIn(table),
    bytes: table.bytes,
    oldest: created.length === 0 ? null : timeText(Math.min(...created)),
    reserve: size((name) => name === 'reserve'),
    routes,
    unreadable: Object.fromEntries(unreadable),
  };
  if (json) {
    print(`${JSON.stringify(status)}\n`);
    return 0;
  }
  print(
    `${path}: ${holder === null ? 'no agent uses it' : `in use by ${holder}; cursors are as of about a second ago`}\n`,
  );
  print(
    `  ${countText(status.segments, 'segment')} of ${identities} ${identities === 1 ? 'identity' : 'identities'}, ${countText(status.events, 'event')}, ${sizeText(status.bytes)}`,
  );
  print(`${status.oldest === null ? '' : `, since ${status.oldest}`}; reserve ${sizeText(status.reserve)}\n`);
  for (const { route, confirmed, spooled, quarantined, dropped, bytes, oldestUnconfirmed } of routes) {
    const since = spooled === 0 ? '' : ` (${sizeText(bytes)}, since ${timeText(Date.now() - oldestUnconfirmed)})`;
    const lost = Object.entries({ quarantined, ...dropped }).filter(([, count]) => count > 0);
    print(`  route ${route}: ${confirmed} confirmed, ${spooled} to be sent${since}`);
    print(`${lost.map(([reason, count]) => `, ${count} ${reason}`).join('')}\n`);
  }
  if (routes.length === 0 && table.all.length > 0) print('  no cursor: all of it is to be sent\n');
  for (const [file, reason] of unreadable) print(`  ${file} cannot be read: ${reason}\n`);
  return 0;
}
