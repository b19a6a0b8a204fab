// CloudEvents HTTP binding 1.0.2, section 3.1, binary mode: attributes in `ce-` headers, data in the body. It is made into the structured
// form of the JSON event format 1.0.2, so that one path checks every event. Pure.
//   header value = attribute, unquoted where it stands in double quotes (RFC 7230, 3.2.6), then percent-decoded once to UTF-8 (3.1.3.2)
import { refusal, type Refusal } from '#core/errors.ts';
import { isJson, mediaOf } from '#core/media.ts';

export interface Structured {
  readonly kind: 'structured';
  readonly bytes: Buffer;
}

/** Null where `body` is one JSON value, else why not. */
export type CheckJson = (body: Buffer) => Refusal | null;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

const PREFIX = 'ce-';
// What a CloudEvent cannot have as an extension, or has from elsewhere: the content type and the body.
const RESERVED = new Set(['data', 'data_base64', 'datacontenttype']);

export function structuredOf(headers: Headers, body: Buffer, checkJson: CheckJson): Structured | Refusal {
  let text = '';
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    const value = headers[header];
    if (RESERVED.has(name)) return refusal('attribute-name-invalid', `/${name}`);
    const decoded = typeof value === 'string' ? attributeOf(value) : null;
    if (decoded === null)
      return refusal(
        'attribute-invalid',
        `/${name}`,
        'it must be ASCII, with other characters percent-encoded as UTF-8',
      );
    text += `${text === '' ? '{' : ','}${JSON.stringify(name)}:${JSON.stringify(decoded)}`;
  }
  const contentType = headers['content-type'] as string | undefined; // node keeps the first of several
  if (contentType !== undefined && contentType !== '') text += `,"datacontenttype":${JSON.stringify(contentType)}`;
  if (body.length === 0) return { kind: 'structured', bytes: Buffer.from(`${text}}`) };
  const data = dataOf(contentType ?? 'application/json', body, checkJson);
  return 'kind' in data
    ? data
    : { kind: 'structured', bytes: Buffer.concat([Buffer.from(text), data.member, data.value, Buffer.from('}')]) };
}

interface Data {
  readonly member: Buffer;
  readonly value: Buffer;
}

const DATA = Buffer.from(',"data":');
const DATA_BASE64 = Buffer.from(',"data_base64":');

/** JSON as it is, text as a string, all else in base64 (JSON event format, section 3.1). */
function dataOf(contentType: string, body: Buffer, checkJson: CheckJson): Data | Refusal {
  const { media, utf8 } = mediaOf(contentType);
  if (isJson(media)) {
    if (!utf8) return refusal('content-type-unsupported', '', 'UTF-8 for JSON');
    return checkJson(body) ?? { member: DATA, value: body };
  }
  const text =
    utf8 && (media.startsWith('text/') || media === 'application/xml' || media.endsWith('+xml'))
      ? utf8Text(body)
      : null;
  if (text !== null) return { member: DATA, value: Buffer.from(JSON.stringify(text)) };
  return { member: DATA_BASE64, value: Buffer.from(`"${body.toString('base64')}"`) };
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function utf8Text(body: Buffer): string | null {
  try {
    return strict.decode(body);
  } catch {
    return null;
  }
}

/** Null where it cannot be decoded: invalid UTF-8 must be refused, and what is not ASCII should have been encoded. */
export function attributeOf(header: string): string | null {
  const quoted = header.length >= 2 && header.startsWith('"') && header.endsWith('"');
  const value = quoted ? header.slice(1, -1).replace(/\\(.)/g, '$1') : header;
  // eslint-disable-next-line no-control-regex -- a header may hold tabs, and those are allowed to no attribute
  if (!/^[\x20-\x7e]*$/.test(value)) return null;
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return null;
  }
}
