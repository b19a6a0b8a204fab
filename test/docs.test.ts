// Documents stay true: their tables are those of the code, what they point to is there.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { documents } from '../deploy/docs-tables.ts';
import manifest from '../package.json' with { type: 'json' };

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', ...globSync('docs/*.md', { cwd: root })];

test('tables are as node deploy/docs-tables.ts writes them', async () => {
  for (const { file, text, wanted } of await documents()) expect(text, file).toBe(wanted);
});

test('every promise names a test that is there', () => {
  const page = read('docs/guarantees.md');
  const proofs = [...page.matchAll(/`(test\/[^`]+)`:\s+\*([^*]+)\*/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }));
  const missing = proofs.filter(
    ({ file, title }) => !existsSync(join(root, file)) || !read(file).includes(title.replaceAll(/\s+/g, ' ')),
  );
  expect(missing).toEqual([]);
  const promises = page
    .slice(0, page.indexOf('## Not promised'))
    .split(/^\d+\. /m)
    .slice(1);
  expect(promises.length).toBeGreaterThan(0);
  expect(promises.filter((promise) => !promise.includes('`test/'))).toEqual([]);
});

test('every dependency has its reason', () => {
  const reasons = read('docs/decisions.md');
  const packages = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  expect(packages.filter((name) => !reasons.includes(`\`${name}\``))).toEqual([]);
});

test('the README names every subcommand, and no other', () => {
  const help = execFileSync(process.execPath, ['waggle.ts', '--help'], { cwd: root, encoding: 'utf8' });
  const commands = [...help.slice(help.indexOf('Commands:')).matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name]) => name);
  const named = [...read('README.md').matchAll(/^\| `([a-z]+)/gm)].map(([, name]) => name);
  expect(commands.length).toBeGreaterThan(0);
  expect(new Set(named)).toEqual(new Set(commands));
});

describe('links', () => {
  test.each(pages)('of %s lead somewhere', (page) => {
    const targets = [...read(page).matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, target = '']) => target);
    const files = targets.filter((target) => !target.includes('://'));
    expect(files.filter((file) => !existsSync(join(root, dirname(page), file)))).toEqual([]);
  });
});
