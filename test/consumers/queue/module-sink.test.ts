// A module of the user's own: what is wrong with it is told in words, and the command ends with 78.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'waggle-module-'));
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, content: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

async function node(args: readonly string[]): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number]>]);
  return { code, out: out.trimEnd() };
}

/** Loads it in a process of its own, since vitest has another loader than Node. Answers what the error says, or how the sink encodes. */
async function load(file: string): Promise<string> {
  const config = { kind: 'module', name: 'mine', module: file, options: { n: 7 }, timeout: 5000 };
  const script = `
    import { loadModuleSink } from './consumers/queue/module-sink.ts';
    const told = (error) => console.log(error.name + ': ' + error.message);
    try {
      const sink = await loadModuleSink(${JSON.stringify(config)});
      console.log(sink.encode({ key: 'k' }).body);
      sink.connect();
    } catch (error) { told(error); }`;
  return (await node(['--input-type=module', '--eval', script])).out;
}

const sink = (connection: string): string => `{
  limit: { bytes: 1000, events: 10 },
  encode: (event) => ({ kind: 'encoded', body: event.key + options.n + context.name + context.timeout, bytes: 1 }),
  connect: () => (${connection}),
  async [Symbol.asyncDispose]() {},
}`;
const SINK = sink('{ async send() {}, async [Symbol.asyncDispose]() {} }');

test.each([
  ['good.mjs', `export const openSink = (options, context) => (${SINK});`],
  ['typed.ts', `export async function openSink(options: { n: number }, context: object) { return ${SINK}; }`],
  ['common.cjs', `module.exports.openSink = (options, context) => (${SINK});`],
  [
    'class.mjs',
    `class Mine { limit = { bytes: 1, events: 1 }; #tail = '7mine5000'; connect() { return { send() {}, [Symbol.asyncDispose]() {} }; }
     encode(event) { return { body: event.key + this.#tail }; } async [Symbol.asyncDispose]() {} } export const openSink = () => new Mine();`,
  ],
])('%s is a sink, and gets its options and context', async (name, content) => {
  expect(await load(written(name, content))).toBe('k7mine5000');
});

test('a connection that lacks its methods is told when it is opened', async () => {
  const file = written('bare.mjs', `export const openSink = (options, context) => (${sink('{}')});`);
  expect(await load(file)).toMatch(/TypeError: connect must return an object with send and \[Symbol\.asyncDispose\]$/);
});

test.each([
  ['gone.mjs', null, /gone\.mjs: there is no such file$/],
  [
    'syntax.mjs',
    'export function openSink( {',
    /syntax\.mjs: it cannot be loaded: SyntaxError: .*; node --check FILE shows where$/,
  ],
  ['syntax.ts', 'export const n: number = ;', /SyntaxError: Expression expected \(.*syntax\.ts:1\)$/],
  ['enum.ts', 'export enum A { b }', /enum is not supported in strip-only mode \(.*enum\.ts:1\)$/],
  ['missing.mjs', "import 'no-such-package';", /Cannot find package 'no-such-package' imported from .*missing\.mjs$/],
  ['throws.mjs', "\nthrow new TypeError('at the start');", /TypeError: at the start \(.*throws\.mjs:2:7\)$/],
  ['node_modules/typed/sink.ts', 'export const n: number = 1;', /Node strips no types below node_modules/],
  ['folder.mjs/sink.mjs', '', /it must export a function openSink; it exports nothing$/],
  [
    'other.mjs',
    'export const open = 1; export default 2;',
    /it must export a function openSink; it exports default, open$/,
  ],
  ['text.txt', '', /a module is a file that ends in/],
  [
    'refuses.mjs',
    "export function openSink() { throw Object.assign(new Error('url: no'), { name: 'SinkConfigInvalid' }); }",
    /sinks\.mine\.options: url: no$/,
  ],
  [
    'fails.mjs',
    'export function openSink(options) { return options.a.b; }',
    /openSink failed: TypeError: .* \(.*fails\.mjs:1:\d+\)$/,
  ],
  ['nothing.mjs', 'export function openSink() {}', /what openSink returned is no sink: it is undefined/],
  [
    'half.mjs',
    'export const openSink = () => ({ limit: { bytes: 0, events: 1 }, encode() {}, prepare: 1 });',
    /is no sink: limit must be \{ bytes, events \}, numbers above 0; connect must be a function; \[Symbol\.asyncDispose\] must be a function; prepare must be a function, or absent/,
  ],
])('%s is told', async (name, content, why) => {
  const file = content === null ? join(folder, name) : written(name, content);
  const told = await load(file);
  expect(told).toMatch(why);
  expect(told).toMatch(/^SinkConfigInvalid: sinks\.mine\./);
});

test('a module elsewhere, to which waggle is linked, imports waggle/sink', async () => {
  mkdirSync(join(folder, 'linked/node_modules'), { recursive: true });
  symlinkSync(root, join(folder, 'linked/node_modules/waggle'));
  const content = `import { SinkConfigInvalid, type OpenSink } from 'waggle/sink';
export const openSink: OpenSink = () => { throw new SinkConfigInvalid('no url'); };`;
  expect(await load(written('linked/sink.ts', content))).toBe('SinkConfigInvalid: sinks.mine.options: no url');
});

test('the command ends with 78 and this message', async () => {
  written('wrong.mjs', 'throw new Error("not today");');
  const config = written(
    'waggle.yaml',
    `version: 1
sites: { chicago: { nodes: ["amqp://127.0.0.1:1"], stream: ["127.0.0.1:1"], management: "http://127.0.0.1:1" } }
users: { topology: { password: t }, agent: { password: a }, mine: { password: m } }
agent: { site: chicago }
sinks: { mine: { kind: module, home: chicago, module: ./wrong.mjs } }
`,
  );
  const { code, out } = await node(['waggle.ts', 'consumer', 'mine', '--config', config]);
  const line = JSON.parse(out.split('\n').at(-1) ?? '') as { readonly msg: string };
  expect(line.msg).toMatch(
    /waggle\.yaml: sinks\.mine\.module: .*wrong\.mjs: it cannot be loaded: Error: not today \(.*wrong\.mjs:1:7\)$/,
  );
  expect(out).not.toContain('module-sink.ts');
  expect(code).toBe(78);
});
