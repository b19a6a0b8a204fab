// `npm run dist`: the package as it is published, in dist/: JavaScript, since Node strips no types below node_modules, with declarations. What is
// in it is what waggle.ts and the `exports` of package.json reach, and nothing else.
import { spawnSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import manifest from '../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');
const target = join(root, 'dist');

/** Of the `imports` of package.json, which tsc leaves as they are: the package maps them to what was compiled. */
const UNTOUCHED = 'TS2877';
/** What is read beside the code. */
const ASSETS = [
  'README.md',
  'waggle.yaml',
  'waggle.schema.json',
  'docs/**/*.md',
  'deploy/systemd/*',
  'bee/rule.schema.json',
  'bee/rules/**/*.{yaml,yml}',
];

const js = (path: string): string => path.replace(/\.ts$/, '.js');

rmSync(target, { recursive: true, force: true });
mkdirSync(target);
compile(['waggle.ts', ...Object.values(manifest.exports)]);
for (const asset of globSync(ASSETS, { cwd: root })) {
  mkdirSync(dirname(join(target, asset)), { recursive: true });
  cpSync(join(root, asset), join(target, asset));
}
writeFileSync(join(target, 'package.json'), `${JSON.stringify(published(), null, 2)}\n`);
console.log(`${target}: ${manifest.name} ${manifest.version}`);

function compile(entries: readonly string[]): void {
  const project = join(target, 'tsconfig.json');
  const options = {
    noEmit: false,
    outDir: '.',
    rootDir: '..',
    // As it was written: what runs reads like the source.
    target: 'ESNext',
    declaration: true,
    rewriteRelativeImportExtensions: true,
    types: [join(root, 'node_modules/@types/node')],
  };
  const declared = globSync('{core,topology,ingest,bee,consumers}/**/*.d.ts', { cwd: root });
  const files = [...entries, ...declared].map((file) => join('..', file));
  writeFileSync(project, JSON.stringify({ extends: '../tsconfig.json', compilerOptions: options, include: [], files }));
  const tsc = join(root, 'node_modules/.bin/tsc');
  const { error, stdout } = spawnSync(tsc, ['-p', project, '--pretty', 'false'], { encoding: 'utf8' });
  rmSync(project);
  if (error) throw error;
  const faults = stdout.split('\n').filter((line) => line !== '' && !line.includes(UNTOUCHED));
  if (faults.length === 0) return;
  console.error(faults.join('\n'));
  process.exit(1);
}

function published(): object {
  const { name, version, description, type, engines, dependencies } = manifest;
  // The host brings its own Node.
  const { node: _, ...needed } = dependencies;
  return {
    name,
    version,
    description,
    type,
    bin: { waggle: js(manifest.bin.waggle) },
    imports: Object.fromEntries(Object.entries(manifest.imports).map(([from, to]) => [`${from}.ts`, `${to}.js`])),
    exports: Object.fromEntries(
      Object.entries(manifest.exports).map(([from, to]) => [
        from,
        { types: to.replace(/\.ts$/, '.d.ts'), default: js(to) },
      ]),
    ),
    engines,
    dependencies: needed,
  };
}
