// YAML text as a tree that remembers where each key and value stands. One document, no anchors, aliases or tags, no key twice.
import {
  EVENT_ID,
  parseEvents,
  SCALAR_STYLE,
  getScalarValue,
  YAMLException,
  type Event,
  type ScalarEvent,
} from 'js-yaml';
import { formatPath, positionOf, type PathStep, type Problem } from './problem.ts';

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly offset: number;
  /** The text as written, quotes and escapes undone. */
  readonly text: string;
  /** Plain, not quoted: `8` is a number, `"8"` is not. */
  readonly plain: boolean;
}
export interface ListNode {
  readonly kind: 'list';
  readonly offset: number;
  readonly items: Node[];
}
export interface MappingNode {
  readonly kind: 'mapping';
  readonly offset: number;
  readonly entries: Map<string, { readonly keyOffset: number; readonly value: Node }>;
}
export type Node = ScalarNode | ListNode | MappingNode;

export type Parsed =
  | { readonly kind: 'document'; readonly root: Node }
  | { readonly kind: 'invalid'; readonly problems: readonly Problem[] };

const maxDepth = 20;

/** The tree of a YAML 1.2 text, or every reason why there is none. */
export function parseDocument(text: string): Parsed {
  let events: Event[];
  try {
    events = parseEvents(text, { maxDepth });
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return {
      kind: 'invalid',
      problems: [{ ...positionOf(text, error.mark?.position ?? 0), path: '', message: reasonOf(error) }],
    };
  }
  const builder = new TreeBuilder(text, events);
  const root = builder.document();
  return builder.problems.length > 0 || root === null
    ? { kind: 'invalid', problems: builder.problems }
    : { kind: 'document', root };
}

/** The value of a plain scalar by the YAML 1.2 core schema (without octal, hexadecimal and infinity); of a quoted one its text. */
export function scalarValue({ text, plain }: ScalarNode): Scalar {
  if (!plain) return text;
  if (/^(null|Null|NULL|~|)$/.test(text)) return null;
  if (/^(true|True|TRUE)$/.test(text)) return true;
  if (/^(false|False|FALSE)$/.test(text)) return false;
  if (/^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return text;
}

/** Where a path stands: its value, or the nearest mapping above that exists; with `key`, the key itself. */
export function offsetOf(root: Node, path: readonly PathStep[], which: 'key' | 'value'): number {
  let node = root;
  let offset = root.offset;
  for (const step of path) {
    const entry = node.kind === 'mapping' && typeof step === 'string' ? node.entries.get(step) : undefined;
    const next = entry?.value ?? (node.kind === 'list' && typeof step === 'number' ? node.items[step] : undefined);
    if (next === undefined) return offset;
    offset = which === 'key' ? (entry?.keyOffset ?? next.offset) : next.offset;
    node = next;
  }
  return offset;
}

// The library's reasons are fixed texts but for those that quote a tag; and what it quotes may be a password that begins with a "!".
function reasonOf(error: YAMLException): string {
  return /\btag\b/i.test(error.reason) ? noTags : `not YAML: ${error.reason}`;
}
const noTags = 'tags (!name) are not supported; put quotes around a text that begins with "!"';
const noAnchors =
  'anchors and aliases (&name, *name) are not supported; put quotes around a text that begins with "&" or "*"';

class TreeBuilder {
  readonly problems: Problem[] = [];
  readonly #text: string;
  readonly #events: readonly Event[];
  #next = 0;

  constructor(text: string, events: readonly Event[]) {
    this.#text = text;
    this.#events = events;
  }

  document(): Node | null {
    if (this.#take()?.type !== EVENT_ID.DOCUMENT) {
      this.#problem(0, [], 'is empty');
      return null;
    }
    const root = this.#node([], 0);
    this.#take();
    const second = this.#events[this.#next];
    if (second !== undefined) this.#problem(this.#text.length, [], 'holds more than one document (---); write one');
    return root;
  }

  #node(path: readonly PathStep[], near: number): Node {
    const event = this.#take();
    switch (event?.type) {
      case EVENT_ID.SCALAR: {
        this.#refuseProperties(event, path);
        const offset = event.valueStart < 0 ? near : event.valueStart - (isQuoted(event) ? 1 : 0);
        return {
          kind: 'scalar',
          offset,
          text: getScalarValue(this.#text, event),
          plain: event.style === SCALAR_STYLE.PLAIN,
        };
      }
      case EVENT_ID.SEQUENCE: {
        this.#refuseProperties(event, path);
        const items: Node[] = [];
        while (this.#peek() !== EVENT_ID.POP) items.push(this.#node([...path, items.length], event.start));
        this.#take();
        return { kind: 'list', offset: event.start, items };
      }
      case EVENT_ID.MAPPING:
        this.#refuseProperties(event, path);
        return this.#mapping(path, event.start);
      case EVENT_ID.ALIAS:
        this.#problem(event.anchorStart - 1, path, noAnchors);
        return { kind: 'scalar', offset: event.anchorStart - 1, text: '', plain: false };
      default:
        return { kind: 'scalar', offset: near, text: '', plain: true };
    }
  }

  #mapping(path: readonly PathStep[], offset: number): MappingNode {
    const entries: MappingNode['entries'] = new Map();
    while (this.#peek() !== EVENT_ID.POP) {
      const key = this.#node(path, offset);
      if (key.kind !== 'scalar') {
        this.#problem(key.offset, path, 'a key must be a name');
        this.#node(path, key.offset);
        continue;
      }
      const keyPath = [...path, key.text];
      const value = this.#node(keyPath, key.offset);
      const earlier = entries.get(key.text);
      if (earlier !== undefined) {
        this.#problem(
          key.offset,
          keyPath,
          `is there twice; the first is in line ${positionOf(this.#text, earlier.keyOffset).line}`,
        );
      } else {
        entries.set(key.text, { keyOffset: key.offset, value });
      }
    }
    this.#take();
    return { kind: 'mapping', offset, entries };
  }

  #refuseProperties(
    event: Exclude<Event, { type: typeof EVENT_ID.DOCUMENT | typeof EVENT_ID.ALIAS | typeof EVENT_ID.POP }>,
    path: readonly PathStep[],
  ): void {
    if (event.anchorStart >= 0) this.#problem(event.anchorStart - 1, path, noAnchors);
    if (event.tagStart >= 0) this.#problem(event.tagStart, path, noTags);
  }

  #peek(): Event['type'] | undefined {
    return this.#events[this.#next]?.type ?? EVENT_ID.POP;
  }

  #take(): Event | undefined {
    return this.#events[this.#next++];
  }

  #problem(offset: number, path: readonly PathStep[], message: string): void {
    this.problems.push({ ...positionOf(this.#text, offset), path: formatPath(path), message });
  }
}

const isQuoted = (event: ScalarEvent): boolean =>
  event.style === SCALAR_STYLE.SINGLE_QUOTED || event.style === SCALAR_STYLE.DOUBLE_QUOTED;
