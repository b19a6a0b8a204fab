// The loop itself under the suite of queue sinks, with a target of its own.
import { queueSinkConformance } from './conformance.ts';
import { HttpTarget } from './http-target.ts';

queueSinkConformance('A sink over HTTP', {
  exactlyOnceById: true,
  async open() {
    const target = await HttpTarget.start();
    return {
      config: target.config(),
      openSink: async () => target.sink(),
      stored: async () => new Map([...target.stored].map((id) => [id, 1])),
      poison: () => ({ poison: true }),
      trouble: (kind) => target.trouble(kind),
      [Symbol.asyncDispose]: () => target[Symbol.asyncDispose](),
    };
  },
});
