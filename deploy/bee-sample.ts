// One good and one bad event through Bee, as a phone sends them.
import type { Composition } from './compose.ts';

/** Of docker-compose.yml: no secret. */
export const DEMO_KEY = 'demo.waggle-demo';
const GOOD = { type: 'checkin.created', data: { member_id: 'm-1', place_id: 'river-cafe', method: 'app' } };
const BAD = { type: 'checkin.created', data: { member_id: 'undefined', place_id: 'river-cafe', method: 'app' } };

export const beeSample = JSON.stringify(GOOD);

interface Answer {
  readonly accepted: number;
  readonly rejected: number;
  readonly verdicts: readonly { readonly code?: string }[];
  readonly error: { readonly code: string } | null;
}

/** Resolves with what became of them, for people. Rejects where the good one is not accepted, or the bad one is. */
export async function sendThroughBee(composition: Composition, bee: string): Promise<string> {
  const url = `http://${composition.address(bee, 9890)}/v1/events`;
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${DEMO_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify([GOOD, BAD]),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  const { accepted, rejected, verdicts, error } = JSON.parse(text) as Answer;
  if (error?.code === 'key-unknown') return `${bee}: not tried, it has keys of your own`;
  if (accepted !== 1 || rejected !== 1) throw new Error(`POST ${url} answered ${answer.status}: ${text}`);
  return `${bee}: 1 of 2 accepted, 1 rejected (${verdicts[1]?.code ?? ''}): it is in the dead letters`;
}
