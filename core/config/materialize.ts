// The parsed tree as plain values, with references resolved on the way.
import { scalarValue, type Node } from './document.ts';
import { isNeeded, type Needs } from './needs.ts';
import { formatPath, type PathStep } from './problem.ts';
import { resolve, type Surroundings } from './reference.ts';

export interface Materialized {
  /** Mappings are objects without a prototype, so that no key of the file is special. */
  readonly value: unknown;
  /** Paths whose text came out of a reference: their values appear in no message. */
  readonly resolved: ReadonlySet<string>;
  /** References that the environment does not give and this command does not need. Their values are absent. */
  readonly unset: readonly { readonly path: readonly PathStep[]; readonly message: string }[];
  readonly problems: readonly { readonly path: readonly PathStep[]; readonly message: string }[];
}

const absent = Symbol('absent');

export function materialize(root: Node, surroundings: Surroundings, needs: Needs): Materialized {
  const resolved = new Set<string>();
  const unset: { path: readonly PathStep[]; message: string }[] = [];
  const problems: { path: readonly PathStep[]; message: string }[] = [];

  const visit = (node: Node, path: readonly PathStep[]): unknown => {
    switch (node.kind) {
      case 'list':
        return node.items.map((item, index) => visit(item, [...path, index])).filter((item) => item !== absent);
      case 'mapping': {
        const made: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
        for (const [key, { value }] of node.entries) {
          const inner = visit(value, [...path, key]);
          if (inner !== absent) made[key] = inner;
        }
        return made;
      }
      case 'scalar': {
        const result = resolve(node.text, surroundings);
        switch (result.kind) {
          case 'literal':
            return result.text === node.text ? scalarValue(node) : result.text;
          case 'resolved':
            resolved.add(formatPath(path));
            return result.text;
          case 'unset':
            (isNeeded(path, needs) ? problems : unset).push({ path, message: result.message });
            return absent;
          case 'malformed':
            problems.push({ path, message: result.message });
            return absent;
          default:
            return result satisfies never;
        }
      }
      default:
        return node satisfies never;
    }
  };
  const value = visit(root, []);
  return { value: value === absent ? null : value, resolved, unset, problems };
}
