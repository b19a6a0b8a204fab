// Patterns for types, as in Fluentd's <match>: `*` is one whole word, `**` any number of words (also none); words are joined by dots.
// Grammar: pattern = word *("." word); word = "*" / "**" / literal; a literal holds neither "*" nor "."; case counts.
// Source: docs.fluentd.org, "Config: file syntax", how match patterns work. `{a,b}` and `a*` are not supported and refused.

/** What waggle says about itself lies under this first word; sinks leave it out unless a pattern names it. */
const INTERNAL = 'waggle';
const MEMO_LIMIT = 4096;
const MEMO_NAME = 512;

export type TypeMatcher = (type: string) => boolean;

/** Null where the pattern is well formed, else what is wrong with it, for configuration errors. */
export function patternFault(pattern: string): string | null {
  if (pattern === '') return 'a pattern may not be empty';
  for (const word of pattern.split('.')) {
    if (word === '') return 'a pattern has words joined by single dots';
    if (word !== '*' && word !== '**' && /[*{}]/.test(word)) return '* and ** stand for whole words only';
  }
  return null;
}

/** Glob over words: on a mismatch only the latest `**` can take one word more, so the cost is at most pattern times name. */
function wordsMatch(pattern: readonly string[], name: readonly string[]): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    const word = pattern[p];
    if (word === '**') {
      star = p++;
      resume = n;
    } else if (word !== undefined && (word === '*' || word === name[n])) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++resume;
    } else return false;
  }
  while (pattern[p] === '**') p++;
  return p === pattern.length;
}

/** One pattern against one name of dot-separated words. Throws on a pattern that `patternFault` refuses. */
export function compilePattern(pattern: string): TypeMatcher {
  const fault = patternFault(pattern);
  if (fault !== null) throw new TypeError(`pattern "${pattern}": ${fault}`);
  const words = pattern.split('.');
  return (name) => wordsMatch(words, name.split('.'));
}

/** Types repeat, so answers are kept for up to 4,096 names of usual length; then forgotten all at once, which bounds memory. */
export function memoised<T>(compute: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    if (name.length > MEMO_NAME) return compute(name);
    const found = known.get(name);
    if (found !== undefined) return found;
    const answer = compute(name);
    if (known.size >= MEMO_LIMIT) known.clear();
    known.set(name, answer);
    return answer;
  };
}

/**
 * Any of the patterns, as a sink's `match` means it: `waggle.**` is left out unless a pattern's first word is `waggle` literally;
 * then the patterns that do so decide about it.
 */
export function matcher(match: readonly string[]): TypeMatcher {
  const all = match.map(compilePattern);
  const internal = match.filter((pattern) => pattern.split('.')[0] === INTERNAL).map(compilePattern);
  return memoised((type) => {
    const asked = type.split('.')[0] === INTERNAL ? internal : all;
    return asked.some((matches) => matches(type));
  });
}
