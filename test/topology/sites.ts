// Two sites for tests that need no server.
import type { SiteConfig } from '#core/config/config.ts';

const site = (name: string): SiteConfig => ({
  name,
  nodes: [`amqp://${name}-1:5672`],
  stream: [{ host: `${name}-1`, port: 5552 }],
  management: [`http://${name}-1:15672`],
  federation: [`amqp://${name}-1:5672`],
});

export const chicago = site('chicago');
export const east = site('us-east-1');
