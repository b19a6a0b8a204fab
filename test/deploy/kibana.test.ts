// deploy/kibana/waggle.ndjson, as far as it can be told without Kibana: what its import requires (Kibana's "Import saved objects" and the schemas of
// its types `index-pattern`, `lens` 8.9.0 and `dashboard` 10.2.0), and that it asks for no field that no event has.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface SavedObject {
  readonly type: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly references: readonly { readonly type: string; readonly id: string; readonly name: string }[];
  readonly coreMigrationVersion: string;
  readonly typeMigrationVersion: string;
}

interface Lens {
  readonly visualizationType: string;
  readonly state: {
    readonly query: { readonly query: string };
    readonly visualization: unknown;
    readonly datasourceStates: { readonly formBased: { readonly layers: Readonly<Record<string, Layer>> } };
  };
}

interface Layer {
  readonly columnOrder: readonly string[];
  readonly columns: Readonly<Record<string, { readonly sourceField: string }>>;
}

interface Panel {
  readonly type: string;
  readonly panelIndex: string;
  readonly panelRefName: string;
  readonly gridData: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

/** What the Elasticsearch sink writes (data.* besides, by what the events hold). */
const WRITTEN = [
  '@timestamp',
  'event.action',
  'event.created',
  'event.id',
  'event.provider',
  'host.name',
  'labels.site',
  'labels.tag',
];
/** Every document's own, and Lens's name for "documents". */
const OWN = ['_ignored', '___records___'];

const lines = readFileSync(new URL('../../deploy/kibana/waggle.ndjson', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');
const objects = lines.map((line) => JSON.parse(line) as SavedObject);
const of = (type: string): readonly SavedObject[] => objects.filter((object) => object.type === type);
const [view] = of('index-pattern');
const [dashboard] = of('dashboard');
const inside = (text: unknown): unknown => JSON.parse(text as string);
const lenses = of('lens').map(({ attributes }) => attributes as unknown as Lens);
const layersOf = (lens: Lens): readonly Layer[] => Object.values(lens.state.datasourceStates.formBased.layers);

test('each line is a saved object, of a version that Kibana 9 takes, each id once', () => {
  for (const object of objects) {
    expect(object).toMatchObject({
      type: expect.stringMatching(/^(index-pattern|lens|dashboard)$/) as string,
      id: expect.stringMatching(/^waggle-/) as string,
      attributes: { title: expect.any(String) as string },
      references: expect.any(Array) as unknown[],
      coreMigrationVersion: '8.8.0',
      typeMigrationVersion: { 'index-pattern': '8.0.0', lens: '8.9.0', dashboard: '10.2.0' }[object.type],
    });
  }
  expect(new Set(objects.map(({ type, id }) => `${type}:${id}`)).size).toBe(objects.length);
  expect([of('index-pattern'), of('dashboard')]).toMatchObject([{ length: 1 }, { length: 1 }]);
});

test('what is referred to stands in a line before', () => {
  const seen = new Set<string>();
  for (const object of objects) {
    for (const { type, id } of object.references) expect(seen).toContain(`${type}:${id}`);
    seen.add(`${object.type}:${object.id}`);
  }
});

test('the data view is of all indices that the sink names, by the time of the event', () => {
  expect(view?.attributes).toMatchObject({ title: 'waggle-*', timeFieldName: '@timestamp' });
  expect(inside(view?.attributes['runtimeFieldMap'])).toMatchObject({ ingest_delay: { type: 'double' } });
});

test('each panel shows a visualisation of the file, each visualisation has a panel, and none covers another', () => {
  const panels = inside(dashboard?.attributes['panelsJSON']) as readonly Panel[];
  const shown = panels.map(({ type, panelIndex, panelRefName }) => {
    const name = `${panelIndex}:${panelRefName}`;
    return dashboard?.references.find((reference) => reference.type === type && reference.name === name)?.id;
  });
  expect(shown).toEqual(of('lens').map(({ id }) => id));
  const cells = panels.flatMap(({ gridData: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridData }) => gridData.x + gridData.w))).toBe(48); // Kibana's grid
});

test('a visualisation shows columns that it has', () => {
  for (const lens of lenses) {
    const columns = layersOf(lens).flatMap((layer) => Object.keys(layer.columns));
    expect(layersOf(lens).flatMap(({ columnOrder }) => columnOrder)).toEqual(columns);
    const { visualization } = lens.state;
    const wanted = Array.from(
      JSON.stringify(visualization).matchAll(/"(?:xAccessor|splitAccessor|metricAccessor|columnId)":"(\w+)"/g),
      ([, column]) => column,
    );
    expect(columns).toEqual(expect.arrayContaining(wanted));
    expect(wanted.length).toBeGreaterThan(0);
  }
});

test('every field is one that the sink writes', () => {
  const runtime = inside(view?.attributes['runtimeFieldMap']) as Record<string, { script: { source: string } }>;
  const named = [
    view?.attributes['timeFieldName'],
    ...Object.keys(inside(view?.attributes['fieldAttrs']) as object),
    ...Object.keys(inside(view?.attributes['fieldFormatMap']) as object),
    ...Object.values(runtime).flatMap(({ script }) =>
      Array.from(script.source.matchAll(/doc\['(.+?)'\]/g), ([, name]) => name),
    ),
    ...lenses.flatMap((lens) =>
      layersOf(lens).flatMap(({ columns }) => Object.values(columns).map(({ sourceField }) => sourceField)),
    ),
    ...lenses.flatMap(({ state }) => Array.from(state.query.query.matchAll(/([\w@.]+)\s*:/g), ([, name]) => name)),
  ];
  const known = [...WRITTEN, ...OWN, ...Object.keys(runtime)];
  expect(named.filter((name) => !known.includes(String(name)))).toEqual([]);
});
