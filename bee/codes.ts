// Why Bee rejects an event: the one table of codes that rules answer with. What is wrong with bytes, JSON or the envelope has the codes of
// core/errors.ts, the same as at the agent. A code is a promise to clients: never renamed, never reused.
import { REFUSALS, type RefusalCode, refusal } from '#core/errors.ts';

interface RejectionKind {
  /** Whether the same event, sent again later, may be accepted. */
  readonly retry: boolean;
  /** What happened and what to do. `{detail}` is what the rule says (a limit, a name): never anything the sender wrote. */
  readonly message: string;
}

export const REJECTIONS = {
  // The event.
  'type-unknown': { retry: false, message: 'There is no rule for this type; see /rules for those there are.' },
  'version-unknown': { retry: false, message: 'The type has no such version; it has {detail}.' },
  'data-missing': { retry: false, message: 'The event has no "data"; send its fields in an object there.' },
  'data-not-object': { retry: false, message: 'The "data" must be a JSON object that holds the fields.' },
  'number-unsafe': {
    retry: false,
    message: 'The number is beyond 2^53 - 1, where JSON readers change it in silence; send it as a string.',
  },
  'number-overflow': { retry: false, message: 'The number is larger than a double can hold; send it as a string.' },
  // Its fields.
  'field-missing': { retry: false, message: 'The field is required{detail}.' },
  'field-forbidden': { retry: false, message: 'The field must not be there{detail}.' },
  'field-unknown': { retry: false, message: 'The rule knows no such field; leave it out.' },
  'kind-wrong': { retry: false, message: 'The value must be {detail}; nothing is converted.' },
  'value-not-listed': { retry: false, message: 'The value must be one of {detail}.' },
  'value-invalid': { retry: false, message: 'The value must be {detail}.' },
  'value-placeholder': { retry: false, message: 'The value is a placeholder and no id; send the real one or none.' },
  'text-too-short': { retry: false, message: 'The text must have {detail} characters or more once it is cleaned.' },
  'text-too-long': { retry: false, message: 'The text must have {detail} characters or fewer.' },
  'number-out-of-range': { retry: false, message: 'The number must be {detail}.' },
  'list-too-short': { retry: false, message: 'The list must have {detail} items or more.' },
  'list-too-long': { retry: false, message: 'The list must have {detail} items or fewer.' },
  'list-repeats': { retry: false, message: 'The list holds an item twice; send each once.' },
  'map-too-large': { retry: false, message: 'The map must have {detail} entries or fewer.' },
  'map-key-invalid': {
    retry: false,
    message:
      'A key here must be 1 to 64 letters, digits, "_", "-" or dots, and no name that JavaScript keeps for prototypes.',
  },
  'order-wrong': { retry: false, message: 'The value must not be below that of {detail}.' },
} as const satisfies Record<string, RejectionKind>;

export type RejectionCode = keyof typeof REJECTIONS | RefusalCode;

export interface Rejection {
  readonly kind: 'rejection';
  readonly code: RejectionCode;
  /** RFC 6901, relative to the event: `/data/amount`. */
  readonly pointer: string;
  readonly message: string;
  readonly retry: boolean;
}

/** `detail`: what the rule says, never bytes of the sender. */
export function rejection(code: RejectionCode, pointer: string, detail: string | number = ''): Rejection {
  if (!(code in REJECTIONS)) {
    const { message, retry } = refusal(code as RefusalCode, pointer, detail);
    return { kind: 'rejection', code, pointer, message, retry };
  }
  const { message, retry } = REJECTIONS[code as keyof typeof REJECTIONS];
  return { kind: 'rejection', code, pointer, message: message.replace('{detail}', () => String(detail)), retry };
}

/** Every code that a verdict may carry, for documents and counters: a closed set. */
export const rejectionCodes: readonly RejectionCode[] = [
  ...(Object.keys(REJECTIONS) as (keyof typeof REJECTIONS)[]),
  ...(Object.entries(REFUSALS).flatMap(([code, { scope }]) => (scope === 'event' ? [code] : [])) as RefusalCode[]),
];
