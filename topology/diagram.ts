// What the brokers say, as a picture (Mermaid) and as data: exchanges, queues with depths and rates, bindings, links between the sites. Pure.
import * as names from './names.ts';
import {
  argument,
  fieldsOf,
  textOf,
  type Fields,
  type Observed,
  type ObservedNode,
  type ObservedSite,
} from './objects.ts';

/** A site as it was seen; `observed` is null where it could not be asked, and `error` says why. */
export interface SeenSite {
  readonly site: string;
  readonly error: string | null;
  readonly observed: ObservedSite | null;
}

export interface DiagramQueue {
  readonly name: string;
  /** `stream`, `quorum` or `classic`. */
  readonly type: string;
  /** As the broker last counted, some seconds ago; of a stream, what it keeps. */
  readonly messages: number;
  readonly bytes: number;
  readonly members: number;
  readonly consumers: number;
  /** Messages a second. */
  readonly in: number;
  readonly out: number;
}

export interface DiagramSite {
  readonly site: string;
  readonly error: string | null;
  readonly nodes: readonly Pick<ObservedNode, 'name' | 'running' | 'alarms'>[];
  readonly exchanges: readonly {
    readonly name: string;
    readonly type: string;
    readonly in: number;
    readonly out: number;
  }[];
  readonly queues: readonly DiagramQueue[];
  readonly bindings: readonly { readonly from: string; readonly to: string; readonly key: string }[];
  /** Links that copy events to this site. */
  readonly links: readonly { readonly from: string; readonly status: string; readonly error: string }[];
}

export function diagramSite({ site, error, observed }: SeenSite): DiagramSite {
  if (observed === null) return { site, error, nodes: [], exchanges: [], queues: [], bindings: [], links: [] };
  const bindings = observed.objects.filter(
    ({ kind, fields }) => kind === 'binding' && isOurs(textOf(fields['source'])),
  );
  // A queue of somebody else's that takes our events belongs into the picture.
  const bound = new Set(bindings.map(({ fields }) => textOf(fields['destination'])));
  const drawn = (kind: Observed['kind']): readonly Observed[] =>
    observed.objects.filter((each) => each.kind === kind && (isOurs(each.name) || bound.has(each.name)));
  return {
    site,
    error,
    nodes: observed.nodes.map(({ name, running, alarms }) => ({ name, running, alarms })),
    exchanges: drawn('exchange')
      .filter(({ name }) => !name.startsWith(names.FEDERATION_PREFIX))
      .map(({ name, fields }) => ({
        name,
        type: textOf(fields['type']),
        in: rate(fields, 'publish_in'),
        out: rate(fields, 'publish_out'),
      })),
    queues: drawn('queue').map(diagramQueue),
    bindings: bindings.map(({ fields }) => ({
      from: textOf(fields['source']),
      to: textOf(fields['destination']),
      key: textOf(argument(fields, 'partition')) || textOf(fields['routingKey']),
    })),
    links: observed.links.map(({ upstream, status, error: why }) => ({ from: upstream, status, error: why })),
  };
}

const isOurs = (name: string): boolean => names.OUR_NAMES.test(name) || name.startsWith(names.LIVE_PREFIX);

function diagramQueue({ name, fields, messages, members }: Observed): DiagramQueue {
  return {
    name,
    type: textOf(argument(fields, 'x-queue-type')) || 'classic',
    messages,
    bytes: Number(fields['message_bytes'] ?? 0),
    members: Math.max(1, members.length),
    consumers: Number(fields['consumers'] ?? 0),
    in: rate(fields, 'publish'),
    out: rate(fields, 'deliver_get'),
  };
}

/** Messages a second, as the management API last measured. */
function rate(fields: Fields, what: string): number {
  return Number(fieldsOf(fieldsOf(fields['message_stats'])[`${what}_details`])['rate'] ?? 0);
}

/** Mermaid's flowchart. Of a thousand partitions or permits it draws one box each. */
export function diagramText(sites: readonly DiagramSite[]): string {
  const lines = sites.flatMap((site, index) => [...subgraph(site, `s${index}`), '']);
  const links = sites.flatMap((to, index) =>
    to.links.map(({ from, status, error }) => {
      const source = sites.findIndex(({ site }) => site === from);
      const buffer = sites[source]?.queues.find(({ name }) => name === names.bufferQueue(to.site));
      const held = buffer ? `<br>${count(buffer.messages)} wait` : '';
      const arrow = status === 'running' ? '==>' : '-.->';
      return `  s${source}_${id(names.EVENTS)} ${arrow}|"link: ${label(status)}${error ? `<br>${label(error)}` : ''}${held}"| s${index}_${id(names.EVENTS)}`;
    }),
  );
  return `${['flowchart LR', ...lines, ...links].join('\n')}\n`;
}

function subgraph(site: DiagramSite, prefix: string): readonly string[] {
  const title = site.nodes.map(
    ({ name, running, alarms }) =>
      name + (running ? '' : ' is down') + (alarms.length > 0 ? ` ${alarms.join('+')} alarm` : ''),
  );
  const groups = Map.groupBy(
    site.queues.filter(({ name }) => !name.startsWith(names.FEDERATION_PREFIX)),
    ({ name }) => groupOf(name),
  );
  const edges = new Set(
    site.bindings
      .filter(({ to }) => !to.startsWith(names.FEDERATION_PREFIX))
      .map(({ from, to, key }) => {
        const target = groupOf(to);
        const text = target === to && key !== '' && key !== '#' ? `|"${label(key)}"|` : '';
        return `    ${prefix}_${id(from)} -->${text} ${prefix}_${id(target)}`;
      }),
  );
  return [
    `  subgraph ${prefix}["${label(site.site)}: ${site.error === null ? title.map(label).join(', ') : label(site.error)}"]`,
    ...site.exchanges.map(
      (each) =>
        `    ${prefix}_${id(each.name)}{{"${label(each.name)}<br>${label(each.type)}, ${perSecond(each.in)} in"}}`,
    ),
    ...[...groups].map(([name, queues]) => `    ${prefix}_${id(name)}[("${label(name)}<br>${about(queues)}")]`),
    ...edges,
    '  end',
  ];
}

/** Queues that differ by a number alone are drawn as one. */
const groupOf = (name: string): string =>
  names.partitionOf(name) === null ? name.replace(/\.permit-\d+$/, '.permit-N') : names.logStream('N');

function about(queues: readonly DiagramQueue[]): string {
  const sum = (of: (queue: DiagramQueue) => number): number => queues.reduce((total, each) => total + of(each), 0);
  const [first] = queues;
  if (!first) return '';
  const members = Math.min(...queues.map((each) => each.members));
  return [
    `${queues.length > 1 ? `${queues.length} × ` : ''}${first.type}, ${members} ${members === 1 ? 'member' : 'members'}`,
    `${count(sum((each) => each.messages))} messages`,
    `${perSecond(sum((each) => each.in))} in, ${perSecond(sum((each) => each.out))} out`,
    `${sum((each) => each.consumers)} consumers`,
  ].join('<br>');
}

const count = (value: number): string => value.toLocaleString('en-US');
const perSecond = (value: number): string => `${count(Math.round(value))}/s`;
/** Names become words of Mermaid: others have a meaning there. */
const id = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/g, (char) => `_${char.charCodeAt(0).toString(16)}_`);
const label = (text: string): string => text.replaceAll('"', '#quot;').replaceAll('<', '#lt;').replaceAll('>', '#gt;');
