// One good configuration, and the check of texts made of it.
import { expect } from 'vitest';
import { checkConfig, type Checked, type ConfigInput } from '#core/config/check.ts';
import type { Config } from '#core/config/config.ts';
import { needsEverything, type Needs } from '#core/config/needs.ts';
import { formatProblem } from '#core/config/problem.ts';

export const good = `version: 1
sites:
  us-east-1: { nodes: ["amqp://us-east-1:5672"], stream: ["us-east-1:5552"], management: "http://us-east-1:15672" }
  chicago:
    nodes: [amqp://chicago-1:5672, "amqp://[::1]:5673"]
    stream: ["chicago-1:5552", "[::1]:5553"]
    management: ["http://chicago-1:15672"]
users:
  topology: { password: t }
  federation: { password: f }
  agent: { password: a }
  s3: { password: s }
agent:
  site: chicago
sinks:
  s3: { kind: s3, home: chicago, bucket: events }
`;

const files: Record<string, string> = { '/run/secrets/s3': 'from-a-file\n', '/creds/s3': 'hunter2' };

export function check(text: string, needs: Needs = needsEverything, env: ConfigInput['env'] = {}): Checked {
  return checkConfig(text, { file: 'w.yaml', env, host: 'this-host', readFile: (path) => files[path] ?? null }, needs);
}

export function problems(text: string, needs?: Needs, env?: ConfigInput['env']): string[] {
  const checked = check(text, needs, env);
  return checked.kind === 'ok' ? [] : checked.problems.map((problem) => formatProblem('w.yaml', problem));
}

export function config(text: string, needs?: Needs, env?: ConfigInput['env']): Config {
  const checked = check(text, needs, env);
  if (checked.kind === 'invalid') throw new Error(JSON.stringify(checked.problems));
  return checked.config;
}

/** The good configuration with one text replaced. */
export function changed(from: string, to: string): string {
  expect(good).toContain(from);
  return good.replace(from, () => to);
}
