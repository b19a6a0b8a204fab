// The form that Fluentd's in_http takes (application/x-www-form-urlencoded): the record in the field `json`, its time in `time`. Pure.
//   form = field *("&" field); field = name "=" value; "+" is a blank; percent-encoded UTF-8 (WHATWG URL, section 5.1)
import { refusal, type Refusal } from '#core/errors.ts';
import { timeOf } from './request.ts';

export interface Form {
  readonly kind: 'form';
  readonly json: Buffer;
  readonly time: number | null;
}

/** Strict, where URLSearchParams would replace what it cannot decode. */
export function readForm(body: Buffer): Form | Refusal {
  let json: string | null = null;
  let time: number | null = null;
  for (const field of body.toString('latin1').split('&')) {
    const equals = field.indexOf('=');
    const value = decode(field.slice(equals + 1));
    const name = equals < 0 ? '' : field.slice(0, equals);
    if (name === 'json') {
      if (json !== null) return refusal('member-duplicate', '/json');
      if (value === null) return refusal('utf8-invalid', '/json');
      json = value;
    } else if (name === 'time') {
      time = value === null ? null : timeOf(value);
      if (time === null) return refusal('time-invalid', '/time');
    }
  }
  if (json === null)
    return refusal(
      'content-type-unsupported',
      '',
      'application/json or application/x-ndjson; a form must have the JSON in its field "json"',
    );
  return { kind: 'form', json: Buffer.from(json), time };
}

function decode(text: string): string | null {
  // Bytes that should have been encoded.
  const ascii = /[^\0-\x7f]/.test(text) ? encodeURIComponent(Buffer.from(text, 'latin1').toString()) : text;
  try {
    return decodeURIComponent(ascii.replaceAll('+', ' '));
  } catch {
    return null;
  }
}
