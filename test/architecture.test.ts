// The rules of the code that a type checker does not know. Each rule proves on an example that it would find an offender.
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

interface Source {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
}

interface Rule {
  readonly name: string;
  /** What is wrong with a file, by line where that can be told; nothing where all is well. */
  readonly offences: (source: Source) => readonly string[];
  readonly example: Source;
}

const root = join(import.meta.dirname, '..');
const sources: readonly Source[] = globSync('{*.ts,{core,topology,ingest,bee,consumers,deploy,test}/**/*.{ts,sh}}', {
  cwd: root,
}).map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));

const services = ['ingest', 'bee', 'consumers'];
const folderOf = (path: string): string => (path.includes('/') ? (path.split('/')[0] ?? '') : '');
const isTest = (path: string): boolean => folderOf(path) === 'test';

/** What a file imports: packages by name, files by their path from the root. */
function importsOf({ path, text }: Source): readonly string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^;'"]*?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]/g,
  );
  return [...found].map(([, fixed, lazy]) => {
    const target = fixed ?? lazy ?? '';
    if (target.startsWith('#')) return target.slice(1);
    return target.startsWith('.') ? join(dirname(path), target) : target;
  });
}

/** Folders of ours that a folder may import, besides itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  core: [],
  topology: ['core'],
  ingest: ['core', 'topology'],
  bee: ['core', 'topology'],
  consumers: ['core', 'topology'],
};

/** What runs the chain's steps: it waits, and names its writer. */
const chainShell = ['run.ts', 'probe.ts'];
/** Deterministic files: clock, randomness, environment and I/O are inputs. */
const isPure = (path: string): boolean =>
  (path.startsWith('core/') && !path.startsWith('core/io/')) ||
  (path.startsWith('consumers/chain/') && !chainShell.includes(basename(path))) ||
  ['encode.ts', 'classify.ts'].includes(basename(path)) ||
  path === 'ingest/spool/format.ts';
const impure =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\brandom(UUID|Bytes|FillSync|Int)\b|\bprocess\.|\bperformance\.|\bset(Timeout|Interval|Immediate)\(|\bfetch\(|\bconsole\./;
const pureModules = ['node:zlib', 'node:crypto', 'node:buffer', 'node:util', 'node:path'];

const brokerName = /['"`](events\.(mirror|partition|log|live|dead|unrouted|dead-letters)\b|sink\.\$\{|live\.)/;

/** Lines that match, comments aside: those may speak of anything. */
function linesWith(pattern: RegExp, text: string): string[] {
  const code = text.replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
  return code
    .split('\n')
    .flatMap((line, index) =>
      pattern.test(line.replace(/(^|\s)\/\/.*$/, '')) ? [`line ${index + 1}: ${line.trim()}`] : [],
    );
}

const rules: readonly Rule[] = [
  {
    name: 'imports run one way: core <- topology <- services, and services never import each other',
    offences: (source) => {
      const folder = folderOf(source.path);
      const may = allowed[folder];
      if (may === undefined) return [];
      return importsOf(source).filter((target) => {
        const other = folderOf(target);
        const isOurs = other in allowed || other === 'test' || other === 'deploy' || target === 'waggle.ts';
        return isOurs && other !== folder && !may.includes(other);
      });
    },
    example: {
      path: 'ingest/a.ts',
      text: "import { a } from '#core/a.ts';\nimport type { b } from '../consumers/b.ts';\n",
    },
  },
  {
    name: 'pure files know no clock, no randomness and no process',
    offences: ({ path, text }) => (isPure(path) ? linesWith(impure, text) : []),
    example: { path: 'core/a.ts', text: 'const now = Date.now();' },
  },
  {
    name: 'pure files import no I/O',
    offences: (source) =>
      isPure(source.path)
        ? importsOf(source).filter(
            (target) => target.startsWith('core/io/') || (target.startsWith('node:') && !pureModules.includes(target)),
          )
        : [],
    example: { path: 'core/config/a.ts', text: "import { readFileSync } from 'node:fs';" },
  },
  {
    name: 'names of the broker stand in topology/names.ts alone',
    offences: ({ path, text }) => (path === 'topology/names.ts' || isTest(path) ? [] : linesWith(brokerName, text)),
    example: { path: 'ingest/a.ts', text: "publish('events.mirror');" },
  },
  {
    name: 'a file has one purpose: at most 350 lines, a test 500',
    offences: ({ path, text }) => {
      const lines = text.trimEnd().split('\n').length;
      return lines > (isTest(path) ? 500 : 350) ? [`${lines} lines`] : [];
    },
    example: { path: 'core/a.ts', text: ';\n'.repeat(351) },
  },
  {
    name: 'files and folders are named in kebab-case after what they hold',
    offences: ({ path }) =>
      path
        .split('/')
        .filter(
          (part) =>
            !/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(part) || /^(utils?|helpers?|common|misc|shared|index)(\.|$)/.test(part),
        )
        .filter((part) => part !== 'index.ts' || !/^consumers\/[a-z0-9]+\/index\.ts$/.test(path)),
    example: { path: 'core/utils/a.ts', text: '' },
  },
  {
    name: 'no default exports and no barrels',
    offences: ({ path, text }) => (path.endsWith('.config.ts') ? [] : linesWith(/^export default\b|^export \*/, text)),
    example: { path: 'core/a.ts', text: "export * from './b.ts';" },
  },
  {
    name: 'nothing is left to do',
    offences: ({ text }) =>
      text.split('\n').flatMap((line, index) => (unfinished.test(line) ? [`line ${index + 1}: ${line.trim()}`] : [])),
    example: { path: 'core/a.ts', text: ['// TO', 'DO: later'].join('') },
  },
  {
    name: 'a source file begins with its purpose',
    offences: ({ path, text }) =>
      path.endsWith('.ts') && !isTest(path) && !/^(#!.*\n)?\/\/ \S/.test(text) && !path.endsWith('.config.ts')
        ? ['its first line is no comment']
        : [],
    example: { path: 'core/a.ts', text: 'export const a = 1;' },
  },
];
const unfinished = new RegExp(`\\b(${'TO_DO|FIX_ME|XX_X'.replaceAll('_', '')})\\b`);

describe('architecture', () => {
  test('the sources are found', () => {
    expect(sources.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['waggle.ts', 'topology/names.ts', 'core/config/schema.ts']),
    );
    expect(services.every((service) => service in allowed)).toBe(true);
  });

  test.each(rules)('$name', ({ offences, example }) => {
    const found = sources.flatMap((source) => offences(source).map((offence) => `${source.path}: ${offence}`));
    expect(found.join('\n')).toBe('');
    expect(offences(example)).not.toEqual([]);
  });
});
