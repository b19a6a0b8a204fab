// `waggle/beacon`: events from a browser to Bee, without dependencies. Events wait in a bounded queue in localStorage until Bee has answered,
// so that they survive being offline and a closed tab; each has an id of its own, by which Bee and sinks know a repeat. At unload what waits is
// sent by sendBeacon. Who retries: this client, on no answer, 429, 503 and a verdict `retry`; what is rejected or refused for good goes to `onRejected`.

/** An event as Bee's rules know it (see /rules of your Bee). */
export interface BeaconEvent {
  readonly type: string;
  readonly data?: Readonly<Record<string, unknown>>;
  /** RFC 3339; now unless given. */
  readonly time?: string;
  /** A random one unless given. */
  readonly id?: string;
}

export interface BeaconOptions {
  /** Where Bee is: `https://bee.example.com`. */
  readonly url: string;
  readonly key: string;
  /** Events of one request at most; 50 unless given. */
  readonly batch?: number;
  /** Milliseconds that an event waits for others; 2,000 unless given. */
  readonly linger?: number;
  /** Characters of waiting events at most, 512 Ki unless given; beyond, the oldest are given up. */
  readonly limit?: number;
  /** Name under which the queue is kept in localStorage; `waggle` unless given. One for each key. */
  readonly storage?: string;
  /** Told of each event that will never be accepted, and why. */
  readonly onRejected?: (
    event: Readonly<Required<Pick<BeaconEvent, 'id' | 'type'>>>,
    code: string,
    message: string,
  ) => void;
  /** Told how many events were given up because too many wait. */
  readonly onDropped?: (events: number) => void;
}

export interface Beacon {
  /** Queues it; false where it cannot be JSON or is larger than the queue. Never throws. */
  readonly send: (event: BeaconEvent) => boolean;
  /** Sends what waits now. Resolves once it was tried; rejects never. */
  readonly flush: () => Promise<void>;
  /** Events that wait for an answer. */
  readonly waiting: () => number;
  /** Sends what waits by sendBeacon and stops: timers and listeners are gone. */
  readonly close: () => void;
}

/** What is used of a browser; all of it may be missing. */
interface Browser {
  readonly localStorage?: { getItem(name: string): string | null; setItem(name: string, value: string): void };
  readonly navigator?: {
    sendBeacon?(url: string, body: string): boolean;
    readonly locks?: {
      request<T>(
        name: string,
        options: { readonly ifAvailable: boolean },
        run: (lock: unknown) => Promise<T>,
      ): Promise<T>;
    };
  };
  readonly document?: {
    readonly visibilityState: string;
    addEventListener(name: string, run: () => void): void;
    removeEventListener(name: string, run: () => void): void;
  };
  addEventListener?(name: string, run: () => void): void;
  removeEventListener?(name: string, run: () => void): void;
}

interface Waiting {
  readonly id: string;
  readonly type: string;
  readonly json: string;
}

interface BeaconVerdict {
  readonly index: number;
  readonly verdict: 'accepted' | 'rejected' | 'retry';
  readonly code?: string;
  readonly message?: string;
}

/** sendBeacon takes no more, and Bee neither. */
const BEACON_BYTES = 60_000;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 300_000;
const ANSWER_MS = 30_000;

export function createBeacon(options: BeaconOptions): Beacon {
  return new Sender(options, globalThis);
}

class Sender implements Beacon {
  readonly #options: Required<Omit<BeaconOptions, 'onRejected' | 'onDropped'>> & BeaconOptions;
  readonly #browser: Browser;
  readonly #name: string;
  #queue: Waiting[];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #sending: Promise<void> | null = null;
  #failures = 0;
  #closed = false;

  constructor(options: BeaconOptions, browser: Browser) {
    this.#options = { batch: 50, linger: 2_000, limit: 512 * 1024, storage: 'waggle', ...options };
    this.#browser = browser;
    this.#name = `${this.#options.storage}.queue`;
    this.#queue = this.#load();
    browser.addEventListener?.('online', this.#online);
    browser.addEventListener?.('pagehide', this.#leave);
    browser.document?.addEventListener('visibilitychange', this.#hidden);
    if (this.#queue.length > 0) this.#schedule(this.#options.linger);
  }

  readonly send = (event: BeaconEvent): boolean => {
    const id = event.id ?? randomId();
    const json = jsonOf({ type: event.type, id, time: event.time ?? new Date().toISOString(), data: event.data ?? {} });
    if (json === null || json.length > this.#options.limit) return false;
    this.#queue.push({ id, type: event.type, json });
    this.#bound();
    this.#save();
    if (!this.#closed) this.#schedule(this.#queue.length >= this.#options.batch ? 0 : this.#options.linger);
    return true;
  };

  readonly flush = (): Promise<void> => {
    this.#sending ??= this.#alone(() => this.#sendAll()).finally(() => (this.#sending = null));
    return this.#sending;
  };

  readonly waiting = (): number => this.#queue.length;

  readonly close = (): void => {
    if (this.#closed) return;
    this.#closed = true;
    this.#leave();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#browser.removeEventListener?.('online', this.#online);
    this.#browser.removeEventListener?.('pagehide', this.#leave);
    this.#browser.document?.removeEventListener('visibilitychange', this.#hidden);
  };

  readonly #online = (): void => {
    this.#failures = 0;
    this.#schedule(0);
  };

  readonly #hidden = (): void => {
    if (this.#browser.document?.visibilityState === 'hidden') this.#leave();
  };

  /** What waits stays in the queue: nobody tells whether a beacon arrived, and Bee knows a repeat by its id. */
  readonly #leave = (): void => {
    let body = '';
    for (const { json } of this.#queue) {
      if (bytesOf(body) + bytesOf(json) > BEACON_BYTES) break;
      body += `${json}\n`;
    }
    if (body !== '') this.#browser.navigator?.sendBeacon?.(this.#url('beacon', true), body);
  };

  #url(way: 'events' | 'beacon', withKey: boolean): string {
    const key = withKey ? `key=${encodeURIComponent(this.#options.key)}&` : '';
    return `${this.#options.url.replace(/\/+$/, '')}/v1/${way}?${key}sent=${Date.now()}`;
  }

  #schedule(delay: number): void {
    if (this.#timer !== null) {
      if (delay > 0) return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.flush();
    }, delay);
  }

  /** Of several tabs one sends at a time, where the browser has locks. */
  #alone(run: () => Promise<void>): Promise<void> {
    const { locks } = this.#browser.navigator ?? {};
    if (locks === undefined) return run();
    return locks.request(this.#name, { ifAvailable: true }, async (lock) => {
      if (lock === null) this.#schedule(this.#options.linger);
      else await run();
    });
  }

  async #sendAll(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, this.#options.batch);
      const pause = await this.#post(batch);
      if (pause === null) {
        this.#failures = 0;
        continue;
      }
      this.#failures++;
      const backoff = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(20, this.#failures - 1));
      if (!this.#closed) this.#schedule(Math.max(pause, backoff * (0.5 + Math.random() / 2)));
      return;
    }
  }

  /** Null where the batch was answered; else milliseconds to wait at least before it is sent again. */
  async #post(batch: readonly Waiting[]): Promise<number | null> {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${this.#options.key}` };
    const body = `[${batch.map(({ json }) => json).join(',')}]`;
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      const answer = await fetch(this.#url('events', false), { method: 'POST', headers, body, signal });
      const text = await answer.text();
      if (answer.status === 429 || answer.status >= 500) return 1000 * Number(answer.headers.get('retry-after') ?? 0);
      return this.#settle(batch, answer.status, text);
    } catch {
      return 0;
    }
  }

  #settle(batch: readonly Waiting[], status: number, text: string): number | null {
    const answer = JSON.parse(text) as {
      readonly verdicts: readonly BeaconVerdict[];
      readonly error: { readonly code: string; readonly message: string } | null;
    };
    const again = new Set<string>();
    // An answer without verdicts: the request is refused for good, so all of it is; but a key may be mended on the other side.
    if (status === 401) return LONGEST_PAUSE;
    for (const [index, event] of batch.entries()) {
      const verdict = answer.verdicts[index];
      if (verdict?.verdict === 'accepted') continue;
      if (verdict?.verdict === 'retry') again.add(event.id);
      else
        this.#options.onRejected?.(
          event,
          verdict?.code ?? answer.error?.code ?? `status-${status}`,
          verdict?.message ?? answer.error?.message ?? '',
        );
    }
    const done = new Set(batch.filter(({ id }) => !again.has(id)).map(({ id }) => id));
    this.#queue = this.#queue.filter(({ id }) => !done.has(id));
    this.#save();
    return again.size === 0 ? null : 0;
  }

  #bound(): void {
    let size = 0;
    for (const { json } of this.#queue) size += json.length;
    let drop = 0;
    for (; size > this.#options.limit; drop++) size -= this.#queue[drop]?.json.length ?? size;
    if (drop === 0) return;
    this.#queue.splice(0, drop);
    this.#options.onDropped?.(drop);
  }

  #load(): Waiting[] {
    try {
      const kept: unknown = JSON.parse(this.#browser.localStorage?.getItem(this.#name) ?? '[]');
      return Array.isArray(kept) ? kept.filter(isWaiting) : [];
    } catch {
      return []; // storage is forbidden, or holds what is not ours
    }
  }

  /** What other tabs queued meanwhile is theirs to send; theirs and ours share the bound. */
  #save(): void {
    try {
      this.#browser.localStorage?.setItem(this.#name, JSON.stringify(this.#queue));
    } catch {
      // Full or forbidden: the queue is in memory all the same.
    }
  }
}

function isWaiting(value: unknown): value is Waiting {
  if (typeof value !== 'object' || value === null) return false;
  const { id, type, json } = value as Partial<Record<keyof Waiting, unknown>>;
  return typeof id === 'string' && typeof type === 'string' && typeof json === 'string';
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** randomUUID is there in secure contexts alone. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function jsonOf(event: object): string | null {
  try {
    return JSON.stringify(event);
  } catch {
    return null; // a cycle, or a bigint
  }
}
