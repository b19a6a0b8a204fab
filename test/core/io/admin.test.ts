import { describe, expect, test } from 'vitest';
import { startAdmin, type Readiness } from '#core/io/admin.ts';
import { showStatus } from '#core/io/ask-admin.ts';
import { createLog } from '#core/io/log.ts';
import { createTelemetry } from '#core/io/telemetry.ts';

const silent = createLog('test', { write: () => undefined });

async function start(ready: () => Readiness, status: () => object = () => ({})) {
  const { metrics } = createTelemetry('test', silent);
  const admin = await startAdmin({ listen: '127.0.0.1:0', registry: metrics.registry, ready, status });
  return { admin, metrics, url: `http://${admin.address}` };
}

describe('the administration endpoints', () => {
  test('/readyz follows the service: 503 with the reasons, then 200', async () => {
    let readiness: Readiness = { ok: false, reasons: ['no site takes events'] };
    const { admin, url } = await start(() => readiness);
    await using _ = admin;
    const before = await fetch(`${url}/readyz`);
    expect([before.status, await before.json()]).toEqual([503, readiness]);
    readiness = { ok: true, reasons: [] };
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('/metrics has the names of the design, and what was counted', async () => {
    const { admin, metrics, url } = await start(() => ({ ok: true, reasons: [] }));
    await using _ = admin;
    metrics.events.inc({ stage: 'accept', route: 'sites', reason: 'ok' }, 3);
    metrics.linkUp.set({ site: 'chicago' }, 1);
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await answer.text();
    expect(text).toContain('waggle_events_total{stage="accept",route="sites",reason="ok",service="test"} 3');
    expect(text).toContain('waggle_link_up{site="chicago",service="test"} 1');
    const names = [
      'waggle_ledger_imbalance',
      'waggle_spool_bytes',
      'waggle_oldest_unconfirmed_seconds',
      'waggle_sink_lag_seconds',
      'waggle_stream_retention_left_seconds',
    ];
    for (const name of names) expect(text).toContain(`# TYPE ${name} gauge`);
  });

  test('/status shows bigints, and an error in it is a 500, not a crash', async () => {
    let fails = false;
    const { admin, url } = await start(
      () => ({ ok: true, reasons: [] }),
      () => {
        if (fails) throw new Error('not now');
        return { offset: 9_007_199_254_740_993n };
      },
    );
    await using _ = admin;
    expect(await (await fetch(`${url}/status`)).json()).toEqual({ offset: '9007199254740993' });
    fails = true;
    expect((await fetch(`${url}/status`)).status).toBe(500);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  test('other paths and methods are refused', async () => {
    const { admin, url } = await start(() => ({ ok: true, reasons: [] }));
    await using _ = admin;
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/status`, { method: 'POST' })).status).toBe(405);
  });

  test('an address in use rejects', async () => {
    const { admin, metrics } = await start(() => ({ ok: true, reasons: [] }));
    await using _ = admin;
    const again = startAdmin({
      listen: admin.address,
      registry: metrics.registry,
      ready: () => ({ ok: true, reasons: [] }),
      status: () => ({}),
    });
    await expect(again).rejects.toThrow(/^admin: cannot listen at .*EADDRINUSE.*give each an address of its own$/);
  });

  test('closing twice is closing once', async () => {
    const { admin, url } = await start(() => ({ ok: true, reasons: [] }));
    await admin[Symbol.asyncDispose]();
    await admin[Symbol.asyncDispose]();
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });
});

describe('waggle status', () => {
  test('prints what the service says, and exits 1 until it is ready', async () => {
    let readiness: Readiness = { ok: false, reasons: ['no site'] };
    const { admin } = await start(
      () => readiness,
      () => ({ spool: 7 }),
    );
    await using _ = admin;
    const printed: string[] = [];
    const ask = (json: boolean, ready: boolean) =>
      showStatus(admin.address, { json, ready }, (text) => printed.push(text));
    expect(await ask(false, true)).toBe(1);
    readiness = { ok: true, reasons: [] };
    expect(await ask(false, false)).toBe(0);
    expect(await ask(true, false)).toBe(0);
    expect(printed.join('')).toBe(
      'not ready: no site\nready\n{\n  "spool": 7\n}\n{"ready":{"ok":true,"reasons":[]},"status":{"spool":7}}\n',
    );
  });
});

describe('an operational fact', () => {
  test('is one log line and one count, without secrets', async () => {
    const lines: string[] = [];
    const log = createLog('test', { write: (line: string) => void lines.push(line) });
    log.level = 'info';
    const { fact, metrics } = createTelemetry('test', log);
    fact(
      'warn',
      'site.unreachable',
      { site: 'chicago', password: 'hunter2', options: { password: 'hunter2' } },
      'chicago does not answer',
    );
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'warn',
      service: 'test',
      fact: 'site.unreachable',
      site: 'chicago',
      msg: 'chicago does not answer',
    });
    expect(lines[0]).not.toContain('hunter2');
    expect(await metrics.registry.getSingleMetricAsString('waggle_facts_total')).toContain(
      '{fact="site.unreachable",service="test"} 1',
    );
  });
});
