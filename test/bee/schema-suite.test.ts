// The public cases of the keywords that rules are compiled to, by the validator that compiles them. Not applicable is what no rule is ever
// compiled to: what strict mode refuses as an oversight, and a field named __proto__.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JsonSchema } from '#core/config/schema-parts.ts';
import { createAjv } from '../../bee/rule/compile.ts';

interface Group {
  readonly description: string;
  readonly schema: JsonSchema | boolean;
  readonly tests: readonly { readonly description: string; readonly data: unknown; readonly valid: boolean }[];
}
const { cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'json-schema-test-suite.json'), 'utf8')) as {
  readonly cases: Readonly<Record<string, readonly Group[]>>;
};

/** Groups that strict mode refuses: tuples, patternProperties that overlap, parts of if without the others. */
const REFUSED: Readonly<Record<string, number>> = { properties: 1, items: 5, uniqueItems: 4, 'if-then-else': 4 };
const isApplicable = (description: string): boolean => description !== '__proto__ not valid';

/** By case; null: strict mode refuses the schema. */
function verdicts({ schema, tests }: Group): readonly (readonly [string, boolean])[] | null {
  const ajv = createAjv(false);
  try {
    const validate = ajv.compile(schema);
    return tests.map(({ description, data }) => [description, validate(data)] as const);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('strict mode: ')) return null;
    throw error;
  }
}

test.each(Object.entries(cases))('%s: as the suite says', (keyword, groups) => {
  let refused = 0;
  for (const group of groups) {
    const found = verdicts(group)?.filter(([description]) => isApplicable(description));
    if (found === undefined) refused++;
    else
      expect([group.description, found]).toEqual([
        group.description,
        group.tests.flatMap(({ description, valid }) => (isApplicable(description) ? [[description, valid]] : [])),
      ]);
  }
  expect(refused).toBe(REFUSED[keyword] ?? 0);
});
