// Declares the configuration given as JSON on standard input: a process of its own, for a test that kills it.
import { text } from 'node:stream/consumers';
import type { Config } from '#core/config/config.ts';
import { runTopology } from '#topology/main.ts';

process.exitCode = await runTopology('declare', JSON.parse(await text(process.stdin)) as Config, { json: false });
