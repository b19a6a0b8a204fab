// `waggle status`: asks the administration endpoints of a service of this host.
import { localUrl } from '../units.ts';

export interface StatusOptions {
  readonly json: boolean;
  /** Only whether it is ready, for health checks. */
  readonly ready: boolean;
}

/** Prints what the service at this `host:port` says of itself; 0, or 1 where nobody answers or it is not ready. */
export async function showStatus(
  admin: string,
  options: StatusOptions,
  print: (text: string) => void,
): Promise<number> {
  const url = localUrl(admin);
  try {
    const signal = AbortSignal.timeout(5000);
    const ready = await fetch(`${url}/readyz`, { signal });
    const readiness: unknown = await ready.json();
    const status: unknown = options.ready ? undefined : await (await fetch(`${url}/status`, { signal })).json();
    if (options.json) print(`${JSON.stringify({ ready: readiness, status })}\n`);
    else {
      print(`${ready.ok ? 'ready' : `not ready: ${reasonsOf(readiness)}`}\n`);
      if (!options.ready) print(`${JSON.stringify(status, null, 2)}\n`);
    }
    return ready.ok ? 0 : 1;
  } catch (error) {
    print(`nobody answers at ${url}: ${causeOf(error)}. Does the service run on this host, with this configuration?\n`);
    return 1;
  }
}

function reasonsOf(readiness: unknown): string {
  const reasons =
    typeof readiness === 'object' && readiness !== null && 'reasons' in readiness ? readiness.reasons : null;
  return Array.isArray(reasons) ? reasons.map(String).join('; ') : 'it does not say why';
}

// fetch keeps the reason in the cause.
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.cause.name : error.message;
}
