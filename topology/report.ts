// What the commands found and did, as text for people and as JSON for programs. No secret ever gets here.
import type { Check } from './checks.ts';
import type { Change } from './change.ts';

export interface SiteReport {
  readonly site: string;
  /** Why the site could not be asked or declared; null where it could. */
  readonly error: string | null;
  readonly notes: readonly string[];
  /** `declare`: what was done. */
  readonly done: readonly Change[];
  /** What differs: before anything is done (`plan`, `verify`), or still after it (`declare`). */
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
}

export interface Report {
  readonly command: 'plan' | 'declare' | 'verify';
  readonly sites: readonly SiteReport[];
  /** Across sites: the probe. */
  readonly checks: readonly Check[];
}

/** 0: as it should be; 2: something differs; 1: a site could not be reached or changed, or a check failed. */
export function exitCode(report: Report): 0 | 1 | 2 {
  const { sites } = report;
  if (sites.some(({ error }) => error !== null)) return 1;
  if ([...report.checks, ...sites.flatMap((each) => each.checks)].some(({ ok }) => !ok)) return 1;
  return sites.some(({ changes }) => changes.length > 0) ? 2 : 0;
}

export function reportText(report: Report): string {
  const { command, sites } = report;
  const lines = sites.flatMap((site) => [
    site.site,
    ...(site.error === null ? [] : [`  FAILED: ${site.error}`]),
    ...site.notes.map((note) => `  note: ${note}`),
    ...site.done.flatMap((change) => changeLines(change)),
    ...(command === 'declare' && site.changes.length > 0 ? ['  still differs:'] : []),
    ...site.changes.flatMap((change) => changeLines(change)),
    ...(site.error === null && site.changes.length === 0
      ? [`  ${command === 'declare' && site.done.length > 0 ? 'declared' : 'as configured'}`]
      : []),
    ...site.checks.map(checkLine),
  ]);
  const across = report.checks.length === 0 ? [] : ['all sites', ...report.checks.map(checkLine)];
  return `${[...lines, ...across, summary(report)].join('\n')}\n`;
}

function summary(report: Report): string {
  const count = (kind: Change['kind'], from: 'done' | 'changes'): number =>
    report.sites.reduce((sum, site) => sum + site[from].filter((change) => change.kind === kind).length, 0);
  const parts = (from: 'done' | 'changes', words: Readonly<Record<Change['kind'], string>>): string[] =>
    (Object.keys(words) as Change['kind'][]).flatMap((kind) =>
      count(kind, from) > 0 ? [`${count(kind, from)} ${words[kind]}`] : [],
    );
  const by = {
    create: 'to create',
    update: 'to update',
    delete: 'to delete',
    refuse: 'to be done by hand',
    orphan: 'left over',
  };
  const was = { create: 'created', update: 'updated', delete: 'deleted', refuse: '', orphan: '' };
  const failed = [...report.checks, ...report.sites.flatMap((each) => each.checks)].filter(({ ok }) => !ok).length;
  const all = [
    ...parts('done', was),
    ...parts('changes', by),
    ...(failed > 0 ? [`${failed} checks failed`] : []),
    ...report.sites.flatMap(({ site, error }) => (error === null ? [] : [`${site} failed`])),
  ];
  return `${report.command}: ${all.length > 0 ? all.join(', ') : 'nothing differs'}`;
}

function changeLines(change: Change): readonly string[] {
  switch (change.kind) {
    case 'create':
      return [`  + ${change.object.kind} ${change.object.name}`];
    case 'update':
      return [
        `  ~ ${change.object.kind} ${change.object.name}`,
        ...change.fields.map(({ field, from, to }) => `      ${field}: ${from} -> ${to}`),
      ];
    case 'delete':
      return [`  - ${change.object.kind} ${change.object.name}: ${change.reason}`];
    case 'refuse':
    case 'orphan':
      return [
        `  ${change.kind === 'refuse' ? '!' : '?'} ${change.subject}: ${change.reason}`,
        ...change.steps.map((step, index) => `      ${index + 1}. ${step}`),
      ];
    default:
      return change satisfies never;
  }
}

const checkLine = ({ name, ok, detail }: Check): string => `  ${ok ? 'ok  ' : 'FAIL'} ${name}: ${detail}`;

/** `{command, exit, sites: [{site, error, notes, done, changes, checks}], checks}`; an object of a change is `{kind, name}`. */
export function reportJson(report: Report): string {
  const sites = report.sites.map((site) => ({ ...site, done: site.done.map(plain), changes: site.changes.map(plain) }));
  return `${JSON.stringify({ command: report.command, exit: exitCode(report), sites, checks: report.checks }, null, 2)}\n`;
}

function plain(change: Change): unknown {
  return 'object' in change ? { ...change, object: { kind: change.object.kind, name: change.object.name } } : change;
}
