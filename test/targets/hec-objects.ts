// The body of HEC's `/event`: JSON objects one after the other, with nothing or blanks between them.

const BLANKS: ReadonlySet<string> = new Set(' \t\r\n');

/** The text of each object, and from where on it is none; blanks at the end are nothing. */
export function splitObjects(text: string): { readonly objects: readonly string[]; readonly rest: string } {
  const objects: string[] = [];
  let at = 0;
  for (;;) {
    while (BLANKS.has(text[at] ?? '')) at++;
    const end = text[at] === '{' ? endOfObject(text, at) : -1;
    if (end < 0) return { objects, rest: text.slice(at) };
    objects.push(text.slice(at, end));
    at = end;
  }
}

/** Behind the brace that closes the one at `from`; -1 where none does. */
function endOfObject(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      at = endOfString(text, at);
    } else if (character === '{') {
      depth++;
    } else if (character === '}') {
      depth--;
      if (depth === 0) return at + 1;
    }
  }
  return -1;
}

function endOfString(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}
