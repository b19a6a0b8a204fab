// The tables of docs/ that come from the code: `node deploy/docs-tables.ts` writes them, a test sees that they are as written.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonSchema } from '#core/config/schema-parts.ts';
import { configSchema } from '#core/config/schema.ts';
import { REFUSALS } from '#core/errors.ts';
import { createMetrics } from '#core/io/metrics.ts';
import { REJECTIONS } from '../bee/codes.ts';
import { FIELD_TYPES, SANITIZER_TEXTS } from '../bee/rule/field-types.ts';
import { SANITIZERS } from '../bee/verdict.ts';

type Row = readonly string[];
interface Table {
  /** Below docs/. */
  readonly file: string;
  readonly name: string;
  readonly lines: () => Promise<readonly string[]>;
}

const tables: readonly Table[] = [
  {
    file: 'configuration.md',
    name: 'keys',
    lines: () => Promise.resolve(table(['key', 'default', 'what it is'], keysOf(configSchema, ''))),
  },
  {
    file: 'agent.md',
    name: 'codes',
    lines: () =>
      Promise.resolve(
        table(
          ['code', 'status', 'refuses', 'again?', 'message'],
          Object.entries(REFUSALS).map(([code, { status, scope, retry, message }]) => [
            `\`${code}\``,
            String(status),
            `the ${scope}`,
            retry ? 'yes' : 'no',
            message.replaceAll('{detail}', '…'),
          ]),
        ),
      ),
  },
  {
    file: 'operating.md',
    name: 'metrics',
    lines: async () => {
      const metrics = await createMetrics('docs').registry.getMetricsAsJSON();
      const ours = metrics.filter(({ name }) => name.startsWith('waggle_'));
      return table(
        ['metric', 'what it is'],
        ours.map(({ name, help }) => [`\`${name}\``, help]),
      );
    },
  },
  {
    file: 'bee-rules.md',
    name: 'field-types',
    lines: () =>
      Promise.resolve(
        table(
          ['type', 'what it takes', 'options, with defaults', 'sanitizers (always; may)'],
          Object.entries(FIELD_TYPES).map(([type, { about, options, always, may }]) => [
            `\`${type}\``,
            about,
            Object.entries(options)
              .map(([name, option]) => `\`${name}\` ${option.about}${defaultText(option.default)}`)
              .join('<br>'),
            `${always.join(', ') || 'none'}; ${may.join(', ')}`,
          ]),
        ),
      ),
  },
  {
    file: 'bee-rules.md',
    name: 'sanitizers',
    lines: () =>
      Promise.resolve(
        table(
          ['sanitizer', 'what it does'],
          SANITIZERS.map((name) => [`\`${name}\``, SANITIZER_TEXTS[name]]),
        ),
      ),
  },
  {
    file: 'bee-rules.md',
    name: 'rejections',
    lines: () =>
      Promise.resolve(
        table(
          ['code', 'again?', 'message'],
          Object.entries(REJECTIONS).map(([code, { retry, message }]) => [
            `\`${code}\``,
            retry ? 'yes' : 'no',
            message.replaceAll('{detail}', '…'),
          ]),
        ),
      ),
  },
];

const defaultText = (value: unknown): string =>
  value === undefined ? ' (required)' : ` (${[value].flat().map(String).join(', ')})`;

/** A row for each key, in the order of the schema; `<name>` stands for a name of one's own. */
function keysOf(schema: JsonSchema, path: string): readonly Row[] {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, JsonSchema>);
  const required = (schema['required'] ?? []) as readonly string[];
  return properties.flatMap(([key, value]) => {
    const at = path === '' ? key : `${path}.${key}`;
    return [...ownRow(value, at, required.includes(key)), ...keysBelow(value, at)];
  });
}

function keysBelow(value: JsonSchema, at: string): readonly Row[] {
  const byName = value['additionalProperties'];
  if (typeof byName === 'object' && byName !== null) {
    const kinds = (byName as JsonSchema)['allOf'] as
      | readonly { readonly if: JsonSchema; readonly then: JsonSchema }[]
      | undefined;
    if (kinds === undefined) return keysOf(byName as JsonSchema, `${at}.<name>`);
    return kinds.flatMap(({ if: condition, then: schema }) => {
      const { kind } = condition['properties'] as { readonly kind: { readonly const: string } };
      const [, ...others] = keysOf(schema, `${at}.<${kind.const}>`);
      return [[`\`${at}.<${kind.const}>.kind\``, 'required', `Here \`${kind.const}\`.`], ...others];
    });
  }
  const items = value['items'] as JsonSchema | undefined;
  return [...keysOf(value, at), ...(items?.['properties'] === undefined ? [] : keysOf(items, `${at}[]`))];
}

/** None for a mapping that must be there, or that its keys explain. */
function ownRow(value: JsonSchema, at: string, required: boolean): readonly Row[] {
  const isMapping = value['properties'] !== undefined;
  if (isMapping && (required || value['default'] !== undefined)) return [];
  const byDefault = value['default'];
  const shown =
    byDefault === undefined || byDefault === ''
      ? required
        ? 'required'
        : ''
      : `\`${JSON.stringify(byDefault).replaceAll('"', '')}\``;
  const words = (value['enum'] ?? []) as readonly string[];
  const range = words.length === 0 ? rangeOf(value) : ` One of ${words.join(', ')}.`;
  return [[`\`${at}\``, shown, `${String(value['description'])}${range}`]];
}

function rangeOf({ minimum, maximum }: JsonSchema): string {
  return typeof minimum === 'number' && typeof maximum === 'number' ? ` From ${minimum} to ${maximum}.` : '';
}

function table(head: Row, rows: readonly Row[]): readonly string[] {
  const line = (cells: Row): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** The document with its tables as the code has them; throws where it has no place for one. */
async function written(file: string, text: string): Promise<string> {
  let result = text;
  for (const { name, lines } of tables.filter((each) => each.file === file)) {
    const [begin, end] = [`<!-- ${name}: written by node deploy/docs-tables.ts -->`, `<!-- end of ${name} -->`];
    const [from, to] = [result.indexOf(begin), result.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`docs/${file} lacks the lines\n${begin}\n${end}`);
    result = `${result.slice(0, from + begin.length)}\n\n${(await lines()).join('\n')}\n\n${result.slice(to)}`;
  }
  return result;
}

const docs = join(import.meta.dirname, '../docs');

/** Documents with tables, as they are and as they should be. */
export async function documents(): Promise<
  readonly { readonly file: string; readonly text: string; readonly wanted: string }[]
> {
  const files = [...new Set(tables.map(({ file }) => file))];
  return Promise.all(
    files.map(async (file) => {
      const text = readFileSync(join(docs, file), 'utf8');
      return { file, text, wanted: await written(file, text) };
    }),
  );
}

if (import.meta.main) for (const { file, wanted } of await documents()) writeFileSync(join(docs, file), wanted);
