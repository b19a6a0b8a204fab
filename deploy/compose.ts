// `docker compose` of this checkout: brings it up with a line of progress for each service, and says what failed.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

interface Container {
  readonly Name: string;
  readonly Service: string;
  readonly State: string;
  readonly Health: string;
  readonly ExitCode: number;
}

interface Service {
  readonly environment: Readonly<Record<string, string>> | null;
  readonly ports?: readonly { readonly host_ip?: string; readonly published: string; readonly target: number }[];
}

/** docker-compose.yml as it counts here, with what the environment and overriding files change. */
export interface Composition {
  environment(service: string): Readonly<Record<string, string>>;
  /** `127.0.0.1:9880`, where the host reaches this port of a service. */
  address(service: string, port: number): string;
}

export async function readComposition(): Promise<Composition> {
  const { services } = JSON.parse(await output(['config', '--format', 'json'])) as {
    services: Readonly<Record<string, Service>>;
  };
  return {
    environment: (service) => services[service]?.environment ?? {},
    address(service, port) {
      const found = services[service]?.ports?.find(({ target }) => target === port);
      if (found === undefined) throw new Error(`docker-compose.yml publishes no port ${port} of ${service}`);
      return `${found.host_ip ?? '127.0.0.1'}:${found.published}`;
    },
  };
}

/** Resolves when every service is healthy; rejects with an error for people. A service that was scaled stays so. */
export async function up(say: (text: string) => void): Promise<void> {
  const scaled = [...scales(await containers())].flatMap(([service, count]) => ['--scale', `${service}=${count}`]);
  const started = performance.now();
  const said = new Set<string>();
  const all: string[] = [];
  const child = spawn('docker', ['compose', 'up', '--detach', '--wait', ...scaled], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  for await (const line of createInterface({ input: child.stderr })) {
    all.push(line);
    const text = progressOf(line);
    if (text === null || said.has(text)) continue;
    said.add(text);
    say(text === line ? text : `${text} (${((performance.now() - started) / 1000).toFixed(0)} s)`);
  }
  if ((await ended) !== 0) throw new Error(await diagnosis(all));
}

/** Services that run more than once, and how often; what `docker compose run` runs is no part of a service. */
export function scales(all: readonly Pick<Container, 'Name' | 'Service' | 'State'>[]): ReadonlyMap<string, number> {
  const running = new Map<string, number>();
  for (const { Name, Service, State } of all)
    if (State === 'running' && /-\d+$/.test(Name)) running.set(Service, (running.get(Service) ?? 0) + 1);
  return new Map([...running].filter(([, count]) => count > 1));
}

/** What is worth a line: of the many states of a container the last one, nothing of networks and volumes; other lines as they are. */
export function progressOf(line: string): string | null {
  const [, kind, name = '', state = ''] = /^ *(Container|Network|Volume) (\S+) +(.*)$/.exec(line) ?? [];
  if (kind === undefined) return line || null;
  if (kind !== 'Container') return null;
  const service = name.replace(/^waggle-/, '').replace(/-\d+$/, '');
  if (state === 'Healthy') return `${service} is ready`;
  if (state === 'Exited') return `${service} is done`;
  return /^(Error|Recreated)/.test(state) ? `${service}: ${state}` : null;
}

/** Which service failed, the last lines of its log, and what to do. */
async function diagnosis(lines: readonly string[]): Promise<string> {
  const port = takenPort(lines);
  if (port !== null) {
    return [
      `port ${port} of this machine is taken by another program.`,
      `See which: ss -ltnp "sport = :${port}" (or docker ps). Stop it, or change that port under "ports:" in docker-compose.yml; then npm start.`,
    ].join('\n');
  }
  const failed = await failures(lines);
  if (failed.size === 0) return `docker compose failed:\n${lines.slice(-10).map(indented).join('\n')}`;
  const parts = [];
  for (const [service, why] of failed) {
    const log = await output(['logs', '--no-log-prefix', '--no-color', '--tail', '15', service]);
    parts.push(`${service} ${why}. The end of its log:`, ...log.trimEnd().split('\n').map(indented));
  }
  return [
    ...parts,
    `The whole log: docker compose logs ${[...failed.keys()].join(' ')}`,
    'Once the cause is mended: npm start. To begin anew and forget all data here: npm stop -- --volumes, then npm start.',
  ].join('\n');
}

/** The port that Docker could not publish; null where that is not the trouble. */
export function takenPort(lines: readonly string[]): string | null {
  const found = /(?:\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):(\d+)\b.*(?:already allocated|already in use)/.exec(
    lines.join('\n'),
  );
  return found?.[1] ?? null;
}

/** Services that compose says failed, and how. */
export function failedServices(lines: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of lines) {
    const [, container, state] = /\bcontainer waggle-(\S+)-\d+ ((?:is unhealthy|exited).*)$/.exec(line) ?? [];
    if (container !== undefined && state !== undefined) found.set(container, state);
  }
  return found;
}

/** Services that failed, and how: as compose tells, and as they are (one that ends and is started again may run at this moment). */
async function failures(lines: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map(failedServices(lines));
  for (const { Service, State, Health, ExitCode } of await containers()) {
    if (State === 'exited' && ExitCode !== 0) found.set(Service, `ended with exit code ${ExitCode}`);
    if (State === 'restarting' || State === 'dead') found.set(Service, 'ends again and again');
    if (Health === 'unhealthy') found.set(Service, 'is unhealthy');
  }
  return found;
}

// oxlint-disable-next-line no-control-regex -- the terminal's own sequences, which compose writes whether there is one or not
const indented = (line: string): string => `  | ${line.replaceAll(/\u001B\[\d*[A-Za-z]/g, '')}`;

async function containers(): Promise<readonly Container[]> {
  const text = (await output(['ps', '--all', '--format', 'json'])).trim();
  // An array, or since 2.21 an object a line.
  if (text.startsWith('[')) return JSON.parse(text) as Container[];
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Container);
}

async function output(args: readonly string[]): Promise<string> {
  const lines = [];
  for await (const line of outputLines(args)) lines.push(`${line}\n`);
  return lines.join('');
}

/** What `docker compose` prints; throws with what it complains of where it fails. Ends it where the caller stops reading. */
export async function* outputLines(args: readonly string[], signal?: AbortSignal): AsyncGenerator<string> {
  const child = spawn('docker', ['compose', ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], signal });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => (complaint += part));
  const ended = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  ended.catch(() => {}); // awaited below
  try {
    yield* createInterface({ input: child.stdout });
    if ((await ended) !== 0) throw new Error(`docker compose ${args[0]}: ${complaint.trim()}`);
  } finally {
    child.kill();
  }
}
