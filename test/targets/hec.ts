// A real HEC endpoint for tests: the OpenTelemetry Collector as deploy/hec has it, with what it stored. It takes every channel and answers every ack
// with true; what else Splunk may say has hec-stub.ts. It differs from Splunk: any other token gets 401 without JSON, `event` may be parted by commas,
// acknowledgement ids begin at 1, numbers within `event` become doubles.
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { until } from '../containers.ts';
import { freePort, Published, remove, serverOf, sweep, type Server } from '../docker.ts';

const IMAGE = 'otel/opentelemetry-collector-contrib:0.157.0';
const TOKEN = '11111111-1111-1111-1111-111111111111';

/** An event as HEC's JSON has it; what was absent is null, `fields` then {}. */
export interface HecEvent {
  readonly event: unknown;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Seconds since 1970. */
  readonly time: number | null;
  readonly host: string | null;
  readonly source: string | null;
  readonly sourcetype: string | null;
  readonly index: string | null;
}

export interface Hec extends Server, AsyncDisposable {
  readonly endpoint: string;
  readonly token: string;
  /**
   * All that was stored so far, oldest first: what was answered with 200 is there. Only what is new since the last call is read, so it may be called
   * often. `time` is rounded to microseconds, since the collector keeps a float.
   */
  events(): readonly HecEvent[];
}

/** Its data survive kill, stop and start: they lie in a temporary folder of this machine, gone with the server. */
export async function startHec(): Promise<Hec> {
  await sweep();
  const [port, health] = await Promise.all([freePort(), freePort()]);
  const folder = mkdtempSync(join(tmpdir(), 'waggle-hec-'));
  const { uid, gid } = userInfo();
  const container = await new Published(IMAGE)
    .publish(
      new Map([
        [8088, port],
        [13133, health],
      ]),
    )
    .withUser(`${uid}:${gid}`) // so that its files are ours to read and remove
    .withBindMounts([{ source: folder, target: '/out', mode: 'rw' }])
    .withCopyContentToContainer([{ content: configuration(), target: '/etc/otelcol-contrib/config.yaml', mode: 0o644 }])
    .withEnvironment({ WAGGLE_HEC_TOKEN: TOKEN })
    .start();
  const ready = () => until(`HEC at 127.0.0.1:${port}`, async () => (await fetch(`http://127.0.0.1:${health}/`)).ok);
  await ready();
  return {
    ...(await serverOf('hec', container.getId(), ready)),
    endpoint: `http://127.0.0.1:${port}`,
    token: TOKEN,
    events: reader(join(folder, 'events.jsonl')),
    async [Symbol.asyncDispose]() {
      await remove(container.getId());
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const configuration = (): string => readFileSync(new URL('../../deploy/hec/collector.yaml', import.meta.url), 'utf8');

/** Reads on where it ended, up to the last whole line. */
function reader(file: string): () => readonly HecEvent[] {
  const events: HecEvent[] = [];
  let position = 0;
  return () => {
    for (const line of wholeLines(file, position)) {
      position += line.length + 1;
      for (const event of decode(JSON.parse(line.toString('utf8')) as Line)) events.push(event);
    }
    return events;
  };
}

function* wholeLines(file: string, position: number): Generator<Buffer> {
  const added = readFrom(file, position);
  for (let at = 0, end; (end = added.indexOf(10, at)) >= 0; at = end + 1) yield added.subarray(at, end);
}

function readFrom(file: string, position: number): Buffer {
  let fd;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0); // nothing came yet
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    if (size < position) throw new Error(`${file} was rotated: more than 1 GiB for one test`);
    const bytes = Buffer.allocUnsafe(size - position);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, position));
  } finally {
    closeSync(fd);
  }
}

// What the file exporter writes: OTLP in JSON, a request a line, an element of resourceLogs for each host, source, sourcetype and index.
interface Line {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes?: readonly Attribute[] };
    readonly scopeLogs: readonly {
      readonly logRecords: readonly {
        readonly timeUnixNano?: string;
        readonly body: Value;
        readonly attributes?: readonly Attribute[];
      }[];
    }[];
  }[];
}

interface Attribute {
  readonly key: string;
  readonly value: Value;
}

/** One member at most; none is null. */
interface Value {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly Value[] };
  readonly kvlistValue?: { readonly values?: readonly Attribute[] };
}

function* decode(line: Line): Generator<HecEvent> {
  for (const { resource, scopeLogs } of line.resourceLogs) {
    const about = plainObject(resource.attributes);
    const named = (name: string): string | null => (typeof about[name] === 'string' ? about[name] : null);
    const envelope = {
      host: named('host.name'),
      source: named('com.splunk.source'),
      sourcetype: named('com.splunk.sourcetype'),
      index: named('com.splunk.index'),
    };
    for (const { logRecords } of scopeLogs)
      for (const record of logRecords)
        yield {
          event: plain(record.body),
          fields: plainObject(record.attributes),
          time: record.timeUnixNano === undefined ? null : Math.round(Number(record.timeUnixNano) / 1e3) / 1e6,
          ...envelope,
        };
  }
}

function plain(value: Value): unknown {
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plain);
  if (value.kvlistValue) return plainObject(value.kvlistValue.values);
  return null;
}

const plainObject = (attributes: readonly Attribute[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
