// One request to the HTTP input of an agent, and what became of it. Never rejects: what an agent or a network says is an outcome.
// Who retries: the caller, on `busy` and `unreachable`, with the same bytes.

/** One event of the request is refused for good. */
export interface Refused {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

export type PostOutcome =
  /** All but the refused ones are in the agent's spool. */
  | { readonly kind: 'accepted'; readonly refused: readonly Refused[]; readonly answer: string }
  /** None is, and the same bytes never will be. `tooLarge`: in parts they may. */
  | {
      readonly kind: 'refused';
      readonly refused: readonly Refused[];
      readonly tooLarge: boolean;
      readonly message: string;
      readonly answer: string;
    }
  /** Later. `retryAfter` in milliseconds, null where the agent does not say. */
  | { readonly kind: 'busy'; readonly retryAfter: number | null; readonly message: string; readonly answer: string }
  | { readonly kind: 'unreachable'; readonly message: string };

export interface Post {
  readonly url: string;
  readonly contentType: string;
  readonly body: string;
  /** Milliseconds. */
  readonly timeout: number;
}

export async function postEvents({ url, contentType, body, timeout }: Post): Promise<PostOutcome> {
  let status: number;
  let retryAfter: number | null;
  let answer: string;
  try {
    const signal = AbortSignal.timeout(timeout);
    const response = await fetch(url, { method: 'POST', headers: { 'content-type': contentType }, body, signal });
    status = response.status;
    retryAfter = retryAfterOf(response.headers.get('retry-after'));
    answer = (await response.text()).trimEnd();
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { kind: 'unreachable', message: cause instanceof Error ? cause.message || cause.name : String(cause) };
  }
  const { refused, message } = readAnswer(answer);
  if (status >= 200 && status < 300) return { kind: 'accepted', refused, answer };
  if (status === 408 || status === 429 || status >= 500)
    return { kind: 'busy', retryAfter, message: `${status} ${message}`, answer };
  return { kind: 'refused', refused, tooLarge: status === 413, message: `${status} ${message}`, answer };
}

const DIGITS = /^\d{1,6}$/;

/** RFC 9110, section 10.2.3: seconds; a date is not what an agent sends. */
const retryAfterOf = (header: string | null): number | null =>
  header !== null && DIGITS.test(header) ? Number(header) * 1000 : null;

/** The agent's answer: {"errors":[{"index":7,"code":"…","message":"…"}]}; an error without an index is one of the request. */
function readAnswer(answer: string): { readonly refused: readonly Refused[]; readonly message: string } {
  const refused: Refused[] = [];
  let message = '';
  try {
    const { errors = [] } = JSON.parse(answer) as { errors?: readonly Partial<Refused>[] };
    for (const { index, code = '', message: text = '' } of errors) {
      if (index !== undefined) refused.push({ index, code, message: text });
      message ||= `${code}: ${text}`;
    }
  } catch {
    message = answer.slice(0, 200); // a proxy's, perhaps
  }
  return { refused, message };
}
