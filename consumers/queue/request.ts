// Events on their way to the target together: what `send` gets of them, and what is kept to settle them, send them again or dead-letter them.
import type { Held } from './hand.ts';

export class Request<Body, Receipt> {
  /** Three lists of one length: what the sink made of each event, its line as it came, and the message that it came in. */
  readonly bodies: Body[] = [];
  readonly lines: Buffer[] = [];
  readonly held: Held<Receipt>[] = [];
  /** Bytes as the sink counts them, by event. */
  readonly sizes: number[] = [];
  bytes = 0;
  /** How often it was sent. */
  attempts = 0;
  /** When it was first sent, milliseconds since the epoch. */
  first = 0;

  get events(): number {
    return this.bodies.length;
  }

  add(body: Body, size: number, line: Buffer, held: Held<Receipt>): void {
    this.bodies.push(body);
    this.lines.push(line);
    this.held.push(held);
    this.sizes.push(size);
    this.bytes += size;
  }

  /** Those of its events that `wanted` names, as a request with the same history. */
  select(wanted: (index: number) => boolean): Request<Body, Receipt> {
    const part = new Request<Body, Receipt>();
    part.attempts = this.attempts;
    part.first = this.first;
    for (let i = 0; i < this.bodies.length; i++) {
      // The four lists have one length.
      if (wanted(i)) {
        part.add(
          this.bodies[i] as Body,
          this.sizes[i] as number,
          this.lines[i] as Buffer,
          this.held[i] as Held<Receipt>,
        );
      }
    }
    return part;
  }

  /** Without the events of messages that are gone or leave; itself where there are none. */
  pruned(): Request<Body, Receipt> {
    return this.held.every((held) => held.wanted) ? this : this.select((index) => this.held[index]?.wanted === true);
  }

  halves(): readonly [Request<Body, Receipt>, Request<Body, Receipt>] {
    const middle = this.events >> 1;
    return [this.select((index) => index < middle), this.select((index) => index >= middle)];
  }

  /** Calls `each` for every run of events that came in one message. */
  runs(each: (held: Held<Receipt>, events: number) => void): void {
    const { held } = this;
    for (let i = 0; i < held.length;) {
      const message = held[i] as Held<Receipt>; // i < length
      let end = i + 1;
      while (held[end] === message) end++;
      each(message, end - i);
      i = end;
    }
  }
}
