// References in a scalar: `${NAME}`, `${NAME:-default}`, and a whole value `file:/path`. They are resolved in the parsed scalar, so
// whatever an environment variable holds can never become a key, a second line or another reference. `$${` stands for `${`.

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file, or null where it cannot be read. */
  readonly readFile: (path: string) => string | null;
}

export type Resolved =
  /** No reference in it. */
  | { readonly kind: 'literal'; readonly text: string }
  /** `text` may be a secret: it appears in no message. */
  | { readonly kind: 'resolved'; readonly text: string }
  /** The environment does not give it; `message` says what is missing. */
  | { readonly kind: 'unset'; readonly message: string }
  | { readonly kind: 'malformed'; readonly message: string };

/**
 * Grammar: `( text | "$${" | "${" NAME [ ":-" default ] "}" )*`, NAME = `[A-Za-z_][A-Za-z0-9_]*`, the default without `}`; or `file:` and
 * such a text that is an absolute path. As in a shell, the default also stands in for an empty variable. One line break at the end of a file is dropped.
 */
export function resolve(text: string, surroundings: Surroundings): Resolved {
  if (!text.startsWith('file:')) return expand(text, surroundings.env);
  const path = expand(text.slice('file:'.length), surroundings.env);
  if (path.kind === 'unset' || path.kind === 'malformed') return path;
  if (!path.text.startsWith('/')) return { kind: 'malformed', message: 'file: must be followed by an absolute path' };
  const content = surroundings.readFile(path.text);
  const written = text.slice('file:'.length);
  return content === null
    ? { kind: 'unset', message: `the file ${written} cannot be read` }
    : { kind: 'resolved', text: content.replace(/\r?\n$/, '') };
}

const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

function expand(text: string, env: Surroundings['env']): Resolved {
  const unset: string[] = [];
  let malformed = false;
  let found = false;
  const expanded = text.replace(reference, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole === '$${') return '${';
    if (name === undefined) {
      malformed = true;
      return '';
    }
    found = true;
    const value = env[name];
    if (value !== undefined && (value !== '' || fallback === undefined)) return value;
    if (fallback === undefined) unset.push(name);
    return fallback ?? '';
  });
  if (malformed)
    return {
      kind: 'malformed',
      message: 'a reference is ${NAME} or ${NAME:-default}; write $${ for the characters themselves',
    };
  if (unset.length > 0) {
    const plural = unset.length > 1;
    return {
      kind: 'unset',
      message: `the environment variable${plural ? 's' : ''} ${unset.join(', ')} ${plural ? 'are' : 'is'} not set`,
    };
  }
  return { kind: found ? 'resolved' : 'literal', text: expanded };
}
