// Bee, as its data flow: phones and browsers -> key and limits -> rules -> the agent of this host (events, and letters for what is rejected) -> verdicts.
import { randomFillSync } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { Config } from '#core/config/config.ts';
import { ListenRefused, startAdmin } from '#core/io/admin.ts';
import { EXIT_CONFIG } from '#core/io/config-file.ts';
import type { HttpLimits } from '#core/io/http-server.ts';
import { createTelemetry, type Telemetry } from '#core/io/telemetry.ts';
import { uuidGenerator } from '#core/uuid.ts';
import { openRules } from './rules.ts';
import { RulesInvalid, type Reload, type Rules } from './verdict.ts';
import { type BeeAgent, connectAgent } from './service/agent.ts';
import { beaconScript } from './service/beacon-script.ts';
import { createCounts, type BeeCounts } from './service/counts.ts';
import { FirstVerdicts } from './service/first-verdicts.ts';
import { createBeeHttp } from './service/http.ts';
import { Judging } from './service/judging.ts';
import { createKeyring } from './service/keys.ts';
import { openApi } from './service/openapi.ts';
import { rulesPage } from './service/rules-page.ts';

/** Events of the last minutes whose verdicts are remembered; some 500 bytes each. */
const REMEMBERED = 100_000;
/** How long requests in flight are given at the end. */
const CLOSE_MS = 6_000;

/** Closing: no new requests, those in flight are answered. Idempotent. */
export interface Bee extends AsyncDisposable {
  /** `http://host:port` of the service, and of its administration endpoints. */
  readonly address: string;
  readonly admin: string;
}

/** Runs until the signal aborts. `rules`: a folder in place of `bee.rules`. Resolves with the exit code: 0, or 78 where it cannot start. */
export async function runBee(config: Config, signal: AbortSignal, rules: string | null = null): Promise<number> {
  const telemetry = createTelemetry('bee');
  if (config.bee === null) {
    telemetry.fact('error', 'bee.cannot-start', {}, `${config.file} has no section "bee"; see docs/bee.md`);
    return EXIT_CONFIG;
  }
  let bee: Bee;
  try {
    const folder = rules === null ? config.bee.rules : resolve(rules);
    bee = await startBee(config, { ...config.bee, rules: folder }, telemetry);
  } catch (error) {
    if (!(error instanceof RulesInvalid) && !(error instanceof ListenRefused)) throw error;
    telemetry.fact('error', 'bee.cannot-start', {}, error.message);
    return EXIT_CONFIG;
  }
  if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
  await bee[Symbol.asyncDispose]();
  return 0;
}

/** Resolves once it listens; whether the agent can be reached is no matter. Rejects with RulesInvalid or ListenRefused. */
export async function startBee(
  config: Config,
  bee: NonNullable<Config['bee']>,
  telemetry: Telemetry,
  limits: Partial<HttpLimits> = {},
): Promise<Bee> {
  const { site, host } = config.agent;
  await using started = new AsyncDisposableStack();
  const folder = resolve(dirname(config.file), bee.rules);
  const rules = started.use(
    await openRules({ folder, hashKey: bee.hashKey, onReload: (reload) => tellReload(telemetry, folder, reload) }),
  );
  const agent = started.use(connectAgent({ url: bee.agent, token: bee.token }));
  const counts = createCounts(telemetry.metrics.registry);
  const judging = new Judging({
    limits: bee,
    rules: () => rules.current,
    agent,
    remembered: new FirstVerdicts(bee.remember, REMEMBERED),
    counts,
    ids: uuidGenerator(Date.now, randomFillSync),
    refusedByAgent: (code, message) =>
      telemetry.fact(
        'error',
        'bee.agent-refused',
        { code },
        `the agent refuses an event that the rules accept: ${message}`,
      ),
  });
  const script = beaconScript();
  const http = started.use(
    await createBeeHttp({
      bee,
      site,
      host,
      judging,
      keyring: createKeyring(bee.keys, bee.token),
      pages: [
        { path: '/rules', type: 'text/html; charset=utf-8', text: () => rulesPage(rules.current) },
        { path: '/v1/openapi.json', type: 'application/json', text: () => JSON.stringify(openApi(bee)) },
        { path: '/v1/beacon.js', type: 'text/javascript; charset=utf-8', text: () => script },
      ],
      clock: Date.now,
      limits: { close: CLOSE_MS, ...limits },
      observe: {
        refused: counts.refused,
        fault: (error) =>
          telemetry.fact(
            'error',
            'bee.fault',
            { err: error },
            'a request failed in a way that nobody thought of; please report it',
          ),
      },
    }),
  );
  const admin = started.use(
    await startAdmin({
      listen: bee.admin,
      registry: telemetry.metrics.registry,
      ready: () => {
        const trouble = agent.trouble();
        return { ok: trouble === null, reasons: trouble === null ? [] : [trouble] };
      },
      status: () => status(rules, agent, counts),
    }),
  );
  const opened = started.move();
  const addresses = { address: http.address, admin: `http://${admin.address}` };
  const { current } = rules;
  telemetry.fact(
    'info',
    'bee.started',
    { ...addresses, rules: current.fingerprint, types: current.rules.length, agent: bee.agent },
    `listening at ${http.address} with ${current.rules.length} rules`,
  );
  let closed: Promise<void> | null = null;
  return { ...addresses, [Symbol.asyncDispose]: () => (closed ??= opened.disposeAsync()) };
}

function status(rules: Rules, agent: BeeAgent, counts: BeeCounts): object {
  const { fingerprint, rules: all } = rules.current;
  return {
    rules: { fingerprint, names: all.map(({ name }) => name), shadows: rules.current.shadows() },
    agent: { trouble: agent.trouble() },
    ...counts.figures(),
  };
}

function tellReload({ fact }: Telemetry, folder: string, reload: Reload): void {
  switch (reload.kind) {
    case 'activated': {
      const { fingerprint, rules } = reload.set;
      return fact(
        'info',
        'rules.activated',
        { fingerprint, rules: rules.length },
        `the rules of ${folder} are active: ${rules.length}`,
      );
    }
    case 'refused':
      return fact(
        'error',
        'rules.refused',
        { problems: reload.problems },
        `the rules of ${folder} are not activated, those before stay: ${reload.problems.join('; ')}`,
      );
    case 'unchanged':
      return;
    default:
      return reload satisfies never;
  }
}
