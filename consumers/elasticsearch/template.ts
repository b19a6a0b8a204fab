// The index template of the sink's documents: what is indexed how; and its installation.
//
// The envelope has the fields of the Elastic Common Schema. Data are mapped as they come, by rules that refuse as little as possible: texts
// are keywords (beyond 1,024 characters not indexed, yet kept), no text is taken for a date, and fields beyond 2,000 are kept without being
// indexed. What remains is a conflict of types: a field that is a number in one event and an object in another.
import { errors, type estypes } from '@elastic/elasticsearch';
import type { Outcome } from '../queue/contract.ts';
import { requestOutcome, statusIsAway } from './classify.ts';
import type { Destination } from './encode.ts';
import type { Api } from './send.ts';

/** To be raised with each change below: an older one that was installed is replaced, a newer one or one without a version stays. */
const VERSION = 1;
/** Above Elastic's own templates (100 to 200). */
const PRIORITY = 250;

const keyword = { type: 'keyword', ignore_above: 1024 } as const;

const mappings: estypes.MappingTypeMapping = {
  date_detection: false,
  dynamic_templates: [
    { labels: { path_match: 'labels.*', match_mapping_type: '*', mapping: keyword } },
    { fractions: { match_mapping_type: 'double', mapping: { type: 'double' } } }, // else float
    { texts: { match_mapping_type: 'string', mapping: keyword } },
  ],
  properties: {
    '@timestamp': { type: 'date' },
    event: { properties: { id: keyword, action: keyword, provider: keyword, created: { type: 'date' } } },
    host: { properties: { name: keyword } },
    labels: { type: 'object' },
    message: { type: 'text' },
    data: { type: 'object' },
    data_base64: { type: 'object', enabled: false },
  },
};

const settings: estypes.IndicesIndexSettings = {
  index: {
    mapping: {
      total_fields: { limit: 2_000, ignore_dynamic_beyond_limit: true },
      depth: { limit: 100 }, // an event has 64 levels at most
    },
  },
};

/** One for each destination: daily indices and a data stream of one name are different. */
const templateName = ({ index, dataStream }: Destination): string =>
  `waggle-${dataStream ? 'stream' : 'daily'}-${index}`;

/** As PUT _index_template takes it. */
function indexTemplate(to: Destination) {
  return {
    index_patterns: [to.dataStream ? to.index : `${to.index}-*`],
    ...(to.dataStream && { data_stream: {} }),
    // Patterns of two sinks may overlap (waggle-*, waggle-audit-*): the longer decides, and no two are equal, which would be refused.
    priority: PRIORITY + to.index.length,
    version: VERSION,
    template: { settings, mappings },
    _meta: { description: 'events of waggle; set sinks.*.template to false to install one of your own' },
  };
}

/** `without`: for want of a right; the sink may go on. */
type Installed = { readonly kind: 'installed' } | { readonly kind: 'without'; readonly message: string };

/** Puts it where there is none or an older one. An outcome where that cannot be had now. Throws what the client throws where another node may do better. */
export async function installTemplate({ client, node, signal }: Api, to: Destination): Promise<Installed | Outcome> {
  const name = templateName(to);
  try {
    const found = await client.indices.getIndexTemplate({ name }, { signal, ignore: [404] });
    const version = versionOf(found);
    if (version === null || version >= VERSION) return { kind: 'installed' };
    await client.indices.putIndexTemplate({ name, ...indexTemplate(to) }, { signal });
    return { kind: 'installed' };
  } catch (error) {
    const status = error instanceof errors.ResponseError ? (error.statusCode ?? 0) : 0;
    if (!(error instanceof errors.ResponseError) || statusIsAway(status)) throw error;
    const outcome = requestOutcome(status, error.body, null, node);
    if (!('message' in outcome)) return outcome;
    const message = `index template ${name}: ${outcome.message}`;
    return status === 403 ? { kind: 'without', message } : { ...outcome, message };
  }
}

/** −1 where there is none; null where there is one that is not ours. */
function versionOf(found: unknown): number | null {
  const list = (found as { readonly index_templates?: readonly { readonly index_template?: unknown }[] } | null)
    ?.index_templates;
  const [first] = list ?? [];
  if (first === undefined) return -1;
  const { version } = (first.index_template ?? {}) as { readonly version?: unknown };
  return typeof version === 'number' ? version : null;
}
