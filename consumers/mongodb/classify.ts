// What MongoDB's answers mean to the queue. Pure. (MongoDB, src/mongo/base/error_codes.yml and "Error Codes" of the manual; the driver's
// classes of errors.)
import {
  MongoCompatibilityError,
  MongoError,
  MongoMissingCredentialsError,
  MongoMissingDependencyError,
  MongoParseError,
  MongoServerError,
} from 'mongodb';
import type { Outcome, Rejection } from '../queue/contract.ts';

/**
 * `duplicate`: the event is there already, or it clashes with another one in a unique index. `document`: this event will never be taken.
 * `size`: it, or the request, is too large. `again`: it passes. `hand`: somebody must do something, and `advice` says what.
 */
type Meaning = 'duplicate' | 'document' | 'size' | 'again' | 'hand';

interface Code {
  readonly name: string;
  readonly meaning: Meaning;
  readonly advice?: string;
}

const RIGHTS =
  'the user needs the role readWrite on the database (actions update and insert, and createCollection where it is absent)';
const LOGIN = 'the login is refused; check user, password, authSource and authMechanism in sinks.*.uri';
const TARGET =
  'events cannot be upserted there; sinks.*.database and sinks.*.collection must name an ordinary collection';

const document = (name: string): Code => ({ name, meaning: 'document' });
const again = (name: string): Code => ({ name, meaning: 'again' });
const hand = (name: string, advice: string): Code => ({ name, meaning: 'hand', advice });

/** By code, of statements, of their write concern and of commands. Any other: of a statement `document`, else `hand`. */
export const CODES: Readonly<Record<number, Code>> = {
  11000: { name: 'DuplicateKey', meaning: 'duplicate' },
  // One event.
  2: document('BadValue'),
  9: document('FailedToParse'),
  14: document('TypeMismatch'),
  15: document('Overflow'),
  22: document('InvalidBSON'),
  28: document('PathNotViable'),
  52: document('DollarPrefixedFieldName'),
  55: document('InvalidDBRef'),
  56: document('EmptyFieldName'),
  57: document('DottedFieldName'),
  66: document('ImmutableField'),
  121: document('DocumentValidationFailure'),
  171: document('CannotIndexParallelArrays'),
  16755: document('Location16755'), // no geometry, under a 2dsphere index
  10334: { name: 'BSONObjectTooLarge', meaning: 'size' },
  17280: { name: 'KeyTooLong', meaning: 'size' },
  17419: { name: 'Location17419', meaning: 'size' },
  17420: { name: 'Location17420', meaning: 'size' },
  // It passes: elections, overload, interruptions.
  6: again('HostUnreachable'),
  7: again('HostNotFound'),
  24: again('LockTimeout'),
  46: again('LockBusy'),
  48: again('NamespaceExists'),
  50: again('MaxTimeMSExpired'),
  63: again('StaleShardVersion'),
  64: again('WriteConcernTimeout'),
  82: again('NotYetInitialized'),
  89: again('NetworkTimeout'),
  91: again('ShutdownInProgress'),
  100: again('UnsatisfiableWriteConcern'),
  112: again('WriteConflict'),
  117: again('ConflictingOperationInProgress'),
  133: again('FailedToSatisfyReadPreference'),
  146: again('ExceededMemoryLimit'),
  150: again('StaleEpoch'),
  189: again('PrimarySteppedDown'),
  202: again('NetworkInterfaceExceededTimeLimit'),
  262: again('ExceededTimeLimit'),
  365: again('TemporarilyUnavailable'),
  391: again('ReauthenticationRequired'),
  462: again('IngressRequestRateLimitExceeded'),
  9001: again('SocketException'),
  10107: again('NotWritablePrimary'),
  11600: again('InterruptedAtShutdown'),
  11601: again('Interrupted'),
  11602: again('InterruptedDueToReplStateChange'),
  13388: again('StaleConfig'),
  13435: again('NotPrimaryNoSecondaryOk'),
  13436: again('NotPrimaryOrSecondary'),
  // A hand is needed.
  11: hand('UserNotFound', LOGIN),
  13: hand('Unauthorized', RIGHTS),
  18: hand('AuthenticationFailed', LOGIN),
  20: hand('IllegalOperation', TARGET),
  26: hand('NamespaceNotFound', TARGET),
  59: hand('CommandNotFound', 'the server does not know the command update; is it MongoDB?'),
  61: hand('ShardKeyNotFound', 'the collection is sharded by another key; shard it by _id, hashed'),
  72: hand('InvalidOptions', TARGET),
  73: hand('InvalidNamespace', TARGET),
  79: hand('UnknownReplWriteConcern', 'the replica set does not know write concern majority'),
  115: hand('CommandNotSupported', TARGET),
  166: hand('CommandNotSupportedOnView', TARGET),
  323: hand('APIStrictError', 'the server wants another version of its API; set it in sinks.*.uri'),
  8000: hand('AtlasError', 'Atlas takes no writes (quota, or a paused or read-only cluster); see its console'),
  13297: hand('DatabaseDifferCase', 'a database of this name in other case exists; mend sinks.*.database'),
  14031: hand('OutOfDiskSpace', 'its disk is full; free some, and it goes on'),
};

const MESSAGE = 400;
const cut = (text: string): string => (text.length > MESSAGE ? `${text.slice(0, MESSAGE).toWellFormed()}…` : text);

/** Of a statement that was refused. `keyPattern` names the index of a duplicate; the server leaves it out where an answer grows too large. */
interface WriteError {
  readonly index: number;
  readonly code: number;
  readonly errmsg: string;
  readonly keyPattern: Readonly<Record<string, unknown>> | null;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

function writeErrorOf(value: unknown): WriteError {
  const { index, code, errmsg, keyPattern } = isObject(value) ? value : {};
  return {
    index: Number(index),
    code: Number(code),
    errmsg: typeof errmsg === 'string' ? errmsg : '',
    keyPattern: isObject(keyPattern) ? keyPattern : null,
  };
}

const codeName = (code: number): string => CODES[code]?.name ?? `code-${code}`;

/** Two that upsert one `_id` at once: the second hears of a duplicate of its own event. */
function duplicateOf({ keyPattern, errmsg }: WriteError): 'repeated' | 'document' | 'again' {
  if (keyPattern !== null) return Object.keys(keyPattern).join() === '_id' ? 'repeated' : 'document';
  if (errmsg === '') return 'again'; // sent again it is there already, or the reason comes with it
  return /\bindex: (?:\S*\$)?_id_/.test(errmsg) ? 'repeated' : 'document';
}

const adviceOf = (code: number): string => {
  const advice = CODES[code]?.advice;
  return advice === undefined ? '' : `${advice}. `;
};

/**
 * Of the answer to an `update` command with `sent` statements (MongoDB manual, "update", "Output"):
 * { n, upserted: [{ index, _id }], writeErrors: [{ index, code, errmsg, keyPattern }] }. `target`: for messages.
 */
export function replyOutcome(reply: unknown, sent: number, target: string): Outcome {
  const { n, upserted, writeErrors } = isObject(reply) ? reply : {};
  const errors = Array.isArray(writeErrors) ? writeErrors.map(writeErrorOf) : [];
  if (Number(n ?? 0) + errors.length !== sent) {
    const message = `${target}: ${sent} events were sent, and ${String(n)} written and ${errors.length} refused by its answer`;
    return { kind: 'retry', code: 'answer-incomplete', message, after: null };
  }
  let repeated = Number(n ?? 0) - (Array.isArray(upserted) ? upserted.length : 0);
  const rejected: Rejection[] = [];
  const retry: number[] = [];
  let why: WriteError | null = null;
  for (const error of errors) {
    const { index, code, errmsg } = error;
    const meaning = CODES[code]?.meaning ?? 'document';
    const found = meaning === 'duplicate' ? duplicateOf(error) : meaning;
    switch (found) {
      case 'repeated':
        repeated++;
        break;
      case 'document':
      case 'size':
        rejected.push({ index, code: codeName(code), message: cut(errmsg) });
        break;
      case 'again':
        retry.push(index);
        why = error;
        break;
      case 'hand': {
        // What was written of the request is found there when it comes again.
        const message = `${target}: ${adviceOf(code)}(${codeName(code)}: ${cut(errmsg)})`;
        return { kind: 'paused', code: codeName(code), message, after: null };
      }
      default:
        found satisfies never;
    }
  }
  if (rejected.length === 0 && retry.length === 0) return { kind: 'done', repeated };
  const code = why === null ? '' : codeName(why.code);
  const message = why === null ? '' : `${target}: ${code}: ${cut(why.errmsg)}`;
  return { kind: 'partly', rejected, retry, code, message, after: null, repeated };
}

/** Of an error that the driver threw; null for anything else, which is a bug of ours. */
export function failureOutcome(error: unknown, target: string): Outcome | null {
  if (!(error instanceof MongoError)) return null;
  const message = (advice: string, code: string): string => `${target}: ${advice}(${code}: ${cut(error.message)})`;
  if (error instanceof MongoServerError) {
    const number = Number(error.code);
    const code = CODES[number]?.name ?? error.codeName ?? codeName(number);
    const meaning = CODES[number]?.meaning ?? 'hand';
    if (meaning === 'size' || number === 22) return { kind: 'rejected', code, message: message('', code) };
    // A command that is refused for a bad value is so for its form, which is the same for all events.
    return {
      kind: meaning === 'again' ? 'retry' : 'paused',
      code,
      message: message(adviceOf(number), code),
      after: null,
    };
  }
  const kind = NEEDS_HAND.some((type) => error instanceof type) ? 'paused' : 'retry';
  return { kind, code: error.name, message: message('', error.name), after: null };
}

const NEEDS_HAND = [
  MongoCompatibilityError,
  MongoMissingCredentialsError,
  MongoMissingDependencyError,
  MongoParseError,
];
