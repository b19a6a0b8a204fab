// One instance that takes permits, as a process of its own, for a test that kills it: {config, sink, connections} as JSON on standard input;
// `granted N` and `revoked N` on standard output.
import { text } from 'node:stream/consumers';
import type { Config } from '#core/config/config.ts';
import { openAmqpLink } from '#core/io/amqp.ts';
import { amqpOptions } from '#topology/credentials.ts';
import { Permits } from '../../../consumers/queue/permits.ts';

const { config, sink, connections } = JSON.parse(await text(process.stdin)) as {
  config: Config;
  sink: string;
  connections: number;
};
const [site] = config.sites;
if (!site) throw new Error('no site');
const permits = new Permits({
  sink,
  connections,
  granted: (permit) => void process.stdout.write(`granted ${permit}\n`),
  revoked: (permit) => new Promise((resolve) => void process.stdout.write(`revoked ${permit}\n`, () => resolve())),
  trouble: (why) => void (why !== null && process.stderr.write(`${why}\n`)),
});
openAmqpLink(amqpOptions(config, site, sink, 'permits of a child'), {
  onUp: (connection) => permits.attach(connection),
  onDown: () => permits.detach(),
});
