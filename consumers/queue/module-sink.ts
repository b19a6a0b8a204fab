// A sink of the user's own: loads its module, and tells in words what is wrong with it.
import { pathToFileURL } from 'node:url';
import type { ModuleSinkConfig } from '#core/config/sink-config.ts';
import { SinkConfigInvalid, type Connection, type QueueSink } from './contract.ts';

/** Errors of Node's loader by code, in words that say what to do. */
const LOADER: Readonly<Record<string, string>> = {
  ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING:
    'Node strips no types below node_modules: name the package’s JavaScript, or keep the TypeScript outside',
  ERR_UNSUPPORTED_DIR_IMPORT: 'this is a folder; name a file in it',
  ERR_UNKNOWN_FILE_EXTENSION: 'a module is a file that ends in .ts, .mts, .js, .mjs or .cjs',
};

/** Imports the module and calls its `openSink`. Rejects with SinkConfigInvalid for whatever is wrong with the module or its options. */
export async function loadModuleSink(config: ModuleSinkConfig): Promise<QueueSink> {
  const { name, module: file, options, timeout } = config;
  const wrong = (what: string, cause?: unknown): SinkConfigInvalid =>
    new SinkConfigInvalid(`sinks.${name}.module: ${file}: ${what}`, { cause });
  const { href } = pathToFileURL(file);
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(href)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw wrong(importFault(error, href), error);
  }
  const { openSink } = exported;
  if (typeof openSink !== 'function') {
    const names = Object.keys(exported).join(', ');
    throw wrong(`it must export a function openSink; it exports ${names === '' ? 'nothing' : names}`);
  }
  let sink: unknown;
  try {
    sink = await openSink(options, { name, timeout });
  } catch (error) {
    // By name: a module may have the class out of another copy of this package.
    if (error instanceof Error && error.name === 'SinkConfigInvalid')
      throw new SinkConfigInvalid(`sinks.${name}.options: ${error.message}`, { cause: error });
    throw wrong(`openSink failed: ${told(error)}`, error);
  }
  const faults = sinkFaults(sink);
  if (faults.length > 0)
    throw wrong(`what openSink returned is no sink: ${faults.join('; ')} (docs/writing-a-sink.md)`);
  return checkedConnections(sink as QueueSink); // sinkFaults found none
}

function importFault(error: unknown, href: string): string {
  const { code, url } = error as { readonly code?: unknown; readonly url?: unknown };
  if (code === 'ERR_MODULE_NOT_FOUND' && url === href) return 'there is no such file';
  const known = typeof code === 'string' ? LOADER[code] : undefined;
  if (known !== undefined) return known;
  const where = told(error);
  // Of JavaScript Node tells no place but on its own standard error.
  const check = error instanceof SyntaxError && placeOf(error) === null ? '; node --check FILE shows where' : '';
  return `it cannot be loaded: ${where}${check}`;
}

/** The error, and the place in the user's file. */
function told(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = placeOf(error);
  return `${error.name}: ${error.message}${place === null ? '' : ` (${place})`}`;
}

/** The first place that the stack names outside of Node, as far as this file. */
function placeOf({ stack = '' }: Error): string | null {
  const [, place] = /(?:^|[\s(])(?:file:\/\/)?(\/[^\s()]*:\d+(?::\d+)?)\)?$/m.exec(stack) ?? [];
  return place === undefined || place.startsWith(`${import.meta.filename}:`) ? null : place;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isBound = (value: unknown): boolean => typeof value === 'number' && value > 0;
const isFunction = (of: object, name: PropertyKey): boolean => typeof Reflect.get(of, name) === 'function';

/** What a value lacks to be a QueueSink. */
function sinkFaults(sink: unknown): readonly string[] {
  if (!isObject(sink)) return [`it is ${sink === null ? 'null' : typeof sink}`];
  const faults: string[] = [];
  const limit: unknown = Reflect.get(sink, 'limit');
  if (!isObject(limit) || !isBound(Reflect.get(limit, 'bytes')) || !isBound(Reflect.get(limit, 'events')))
    faults.push('limit must be { bytes, events }, numbers above 0');
  for (const name of ['encode', 'connect', Symbol.asyncDispose])
    if (!isFunction(sink, name)) faults.push(`${textOf(name)} must be a function`);
  if (Reflect.get(sink, 'prepare') !== undefined && !isFunction(sink, 'prepare'))
    faults.push('prepare must be a function, or absent');
  return faults;
}

const textOf = (name: string | symbol): string => (typeof name === 'symbol' ? `[${name.description ?? ''}]` : name);

/** A connection that cannot be used or closed is told where it is opened. */
function checkedConnections(sink: QueueSink): QueueSink {
  const connect = (): Connection<unknown> => {
    const connection: unknown = sink.connect();
    const missing = ['send', Symbol.asyncDispose].filter(
      (name) => !isObject(connection) || !isFunction(connection, name),
    );
    if (missing.length > 0)
      throw new TypeError(`connect must return an object with ${missing.map(textOf).join(' and ')}`);
    return connection as Connection<unknown>; // has what it needs
  };
  return {
    limit: sink.limit,
    encode: (event) => sink.encode(event),
    connect,
    ...(sink.prepare !== undefined && { prepare: sink.prepare.bind(sink) }),
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}
