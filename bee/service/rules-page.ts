// The page /rules: every event type, out of the rules that are active at this moment. No scripts, nothing from elsewhere. Pure.
import type { FieldDocument, RuleDocument, RuleSet } from '../verdict.ts';

let last: { readonly set: RuleSet; readonly page: string } | null = null;

/** Made once for a set. */
export function rulesPage(set: RuleSet): string {
  if (last?.set !== set) last = { set, page: pageOf(set) };
  return last.page;
}

function pageOf({ rules, fingerprint }: RuleSet): string {
  const sorted = rules.toSorted((a, b) => (a.type === b.type ? a.version - b.version : a.type < b.type ? -1 : 1));
  const links = sorted.map(
    ({ name, shadow }) => `<li><a href="#${html(name)}">${html(name)}</a>${shadow ? ' <small>trial</small>' : ''}</li>`,
  );
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Event types</title>
<style>${STYLE}</style>
<header>
<h1>Event types</h1>
<p>What this service accepts at <code>POST /v1/events</code>, out of the rules that are active now (<code>${html(fingerprint)}</code>).
How to send: <a href="/v1/openapi.json">OpenAPI</a>.</p>
<pre>curl -H 'authorization: Bearer KEY' --json '{"type":"${html(sorted[0]?.name ?? '')}","id":"a-1","data":{…}}' https://HOST/v1/events</pre>
<p>An <code>id</code> of your own makes it safe to send again. Members of the event beside <code>type</code>, <code>id</code>, <code>time</code>,
<code>specversion</code> and <code>data</code> are left out.</p>
<nav><ul>${links.join('')}</ul></nav>
</header>
<main>
${sorted.map(ruleSection).join('\n')}
</main>
</html>
`;
}

function ruleSection(rule: RuleDocument): string {
  const { name, about, shadow, unknown, fields, conditions, examples } = rule;
  const note = shadow ? '<p class="trial">On trial: it is compared with live traffic, and answers nobody yet.</p>' : '';
  const rules =
    conditions.length === 0
      ? ''
      : `<h3>Conditions</h3><ul>${conditions.map((text) => `<li>${html(text)}</li>`).join('')}</ul>`;
  const accepted = examples.accepted.map(
    ({ name: title, data, result }) =>
      `<figure><figcaption>Accepted: ${html(title)}</figcaption><pre>${pretty(data)}</pre>${data === result ? '' : `<p>becomes</p><pre>${pretty(result)}</pre>`}</figure>`,
  );
  const rejected = examples.rejected.map(
    ({ name: title, data, code }) =>
      `<figure class="no"><figcaption>Rejected, <code>${html(code)}</code>: ${html(title)}</figcaption><pre>${pretty(data)}</pre></figure>`,
  );
  return `<section id="${html(name)}">
<h2>${html(name)}</h2>
<p>${html(about)}</p>${note}
<table><thead><tr><th>Field of <code>data</code><th>Accepts<th>Default<th>Cleaned by<th>What it is</thead>
<tbody>${fields.map(fieldRow).join('\n')}</tbody></table>
<p>Other fields are ${UNKNOWN[unknown]}.</p>${rules}
<h3>Examples</h3>
${[...accepted, ...rejected].join('\n')}
</section>`;
}

const UNKNOWN = { drop: 'left out', keep: 'kept as they are', reject: 'a reason to reject the event' } as const;

const fieldRow = ({ path, required, accepts, byDefault, sanitizers, about }: FieldDocument): string =>
  `<tr><td><code>${html(path)}</code>${required ? ' <b title="required">required</b>' : ''}<td>${html(accepts)}<td>${byDefault === null ? '' : `<code>${html(byDefault)}</code>`}<td>${html(sanitizers.join(', '))}<td>${html(about)}`;

function pretty(json: string): string {
  try {
    return html(JSON.stringify(JSON.parse(json), null, 2));
  } catch {
    return html(json); // an example of what is no JSON
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const html = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

const STYLE = `
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--hot:#c60}
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1rem}
nav ul{columns:16rem;padding-left:1.2rem}
section{border-top:1px solid var(--line);margin-top:2rem}
h2{font-family:ui-monospace,monospace}
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
b{color:var(--hot);font-weight:600;font-size:.8rem}
code,pre{font:.9rem/1.4 ui-monospace,monospace}
pre{background:var(--soft);padding:.6rem;overflow-x:auto;border-radius:.3rem}
figure{margin:1rem 0}figure.no figcaption,.trial{color:var(--hot)}
`.replaceAll('\n', '');
