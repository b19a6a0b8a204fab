// Which parts of the configuration a command works with: references there must resolve. Elsewhere an unset variable or an unreadable
// secret is no error: a consumer needs neither WAGGLE_SITE nor the agent's password.
import type { PathStep } from './problem.ts';

/** Paths as dotted prefixes; `*` stands for one step. */
export type Needs = readonly string[];

const broker = ['vhost', 'sites', 'log', 'dead'];

export const needsNothing: Needs = [];
export const needsEverything: Needs = ['*'];
export const needsOfAgent: Needs = [...broker, 'agent', 'users.agent', 'bee.token'];
export const needsOfTopology: Needs = [
  ...broker,
  'users',
  'sinks.*.kind',
  'sinks.*.home',
  'sinks.*.match',
  'sinks.*.connections',
];
export const needsOfBee: Needs = ['agent.site', 'agent.host', 'bee'];
/** Dead letters and replays: the brokers as operator, which sinks there are, and the agent of this host. */
export const needsOfOperator: Needs = [
  ...broker,
  'users.operator',
  'sinks.*.kind',
  'sinks.*.home',
  'sinks.*.match',
  'agent.inputs',
];
export const needsOfDropBuffer: Needs = [...broker, 'users.topology', 'sinks.*.kind', 'sinks.*.home'];
export const needsOfWatch: Needs = [...broker, 'users.monitoring'];
export const needsOfTap: Needs = ['vhost', 'sites', 'users.tap'];
/** The folder alone. */
export const needsOfSpool: Needs = ['agent.spool'];
export const needsOfStatus: Needs = ['agent.admin'];
export const needsOfSend: Needs = ['agent.inputs'];
export const needsOfConsumer = (sink: string): Needs => [...broker, `sinks.${sink}`, `users.${sink}`];
/** Moving a log sink asks its store, and how many partitions there are. */
export const needsOfMove = (sink: string): Needs => ['sites', 'log', `sinks.${sink}`];
/** Listing what is committed asks the store alone. */
export const needsOfListing = (sink: string): Needs => [`sinks.${sink}`];

export function isNeeded(path: readonly PathStep[], needs: Needs): boolean {
  return needs.some((need) => need.split('.').every((step, index) => step === '*' || step === String(path[index])));
}
