// Media types of request bodies. Pure.

export const NDJSON = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
]);

export const isJson = (media: string): boolean =>
  media === 'application/json' || media === 'text/json' || media.endsWith('+json');

/** Media type in lower case, and whether its text is UTF-8, as JSON must be (RFC 8259, 8.1). */
export function mediaOf(contentType: string): { readonly media: string; readonly utf8: boolean } {
  const semicolon = contentType.indexOf(';');
  if (semicolon < 0) return { media: contentType.trim().toLowerCase(), utf8: true };
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(contentType.slice(semicolon))?.[1]?.toLowerCase();
  const utf8 = charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii';
  return { media: contentType.slice(0, semicolon).trim().toLowerCase(), utf8 };
}
