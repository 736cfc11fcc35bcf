import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLError } from 'yaml';
import type { Path } from './problem.ts';

/** A YAML document as plain data that still knows where each part stands (offsets into the text). */
export type Tree = ScalarTree | ListTree | MapTree;

export interface ScalarTree {
  readonly kind: 'scalar';
  readonly start: number;
  readonly end: number;
  readonly value: unknown;
}

export interface ListTree {
  readonly kind: 'list';
  readonly start: number;
  readonly items: readonly Tree[];
}

export interface MapTree {
  readonly kind: 'map';
  readonly start: number;
  readonly entries: ReadonlyMap<string, { readonly keyStart: number; readonly tree: Tree }>;
}

export interface Mistake {
  readonly offset: number;
  readonly path: Path;
  readonly message: string;
}

export interface DocumentResult {
  /** Null when the text is not one readable document. */
  readonly tree: Tree | null;
  readonly mistakes: readonly Mistake[];
}

const DEPTH = 24;

/** Reads one YAML 1.2 document. Anchors, aliases, tags, directives and doubled keys are refused. */
export function readDocument(text: string): DocumentResult {
  try {
    // Doubled keys are found below: the library compares each key with all others, which takes minutes on a hostile file.
    const lines = new LineCounter();
    const document = parseDocument(text, { ...YAML_OPTIONS, lineCounter: lines });
    if (document.errors.length > 0) return { tree: null, mistakes: syntaxMistakes(document.errors, lines) };
    if (document.directives?.yaml.explicit && document.directives.yaml.version !== '1.2') {
      return {
        tree: null,
        mistakes: [{ offset: 0, path: [], message: 'is not YAML 1.2; remove the %YAML directive' }],
      };
    }
    if (document.contents === null) return { tree: null, mistakes: [EMPTY] };
    const mistakes: Mistake[] = [];
    const tree = toTree(document.contents, [], mistakes);
    return { tree, mistakes };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { tree: null, mistakes: [{ offset: 0, path: [], message: `cannot be read as YAML: ${reason}` }] };
  }
}

/** Where a path stands: its value, or its key, or the nearest thing around it when it is missing. */
export function locate(tree: Tree, path: Path, atKey: boolean): number {
  let node = tree;
  let keyStart = tree.start;
  for (const [depth, part] of path.entries()) {
    if (node.kind === 'map') {
      const entry = node.entries.get(String(part));
      // What is missing is missed where its container is named.
      if (entry === undefined) return depth === 0 ? tree.start : keyStart;
      keyStart = entry.keyStart;
      node = entry.tree;
    } else if (node.kind === 'list') {
      const item = node.items[Number(part)];
      if (item === undefined) return keyStart;
      keyStart = item.start;
      node = item;
    } else {
      return node.start;
    }
  }
  const empty = node.kind === 'scalar' && node.start === node.end;
  return atKey || empty ? keyStart : node.start;
}

const YAML_OPTIONS = {
  prettyErrors: false,
  strict: true,
  stringKeys: true,
  uniqueKeys: false,
  schema: 'core',
  merge: false,
  resolveKnownTags: false,
} as const;

const EMPTY: Mistake = {
  offset: 0,
  path: [],
  message: 'is empty; a configuration names at least `services`',
};

function toTree(node: unknown, path: Path, mistakes: Mistake[]): Tree {
  const start = startOf(node);
  if (path.length > DEPTH) {
    mistakes.push({ offset: start, path: path.slice(0, 4), message: `is nested more than ${DEPTH} levels deep` });
    return { kind: 'scalar', start, end: start, value: null };
  }
  refuseExtras(node, path, mistakes);
  if (isMap<unknown, unknown>(node)) return mapTree(node, path, mistakes);
  if (isSeq(node)) {
    return { kind: 'list', start, items: node.items.map((item, i) => toTree(item, [...path, i], mistakes)) };
  }
  if (isScalar(node)) return { kind: 'scalar', start, end: node.range?.[1] ?? start, value: node.value };
  return { kind: 'scalar', start, end: start, value: null };
}

function mapTree(
  map: { readonly items: readonly { readonly key: unknown; readonly value: unknown }[]; range?: Node['range'] },
  path: Path,
  mistakes: Mistake[],
): MapTree {
  const entries = new Map<string, { keyStart: number; tree: Tree }>();
  for (const { key, value } of map.items) {
    const name = isScalar(key) ? String(key.value) : '';
    const keyStart = startOf(key);
    const at = [...path, name];
    refuseExtras(key, at, mistakes);
    // In `{a, b}` the values are missing altogether.
    const empty: ScalarTree = { kind: 'scalar', start: keyStart, end: keyStart, value: null };
    const tree = value === null ? empty : toTree(value, at, mistakes);
    if (entries.has(name)) {
      mistakes.push({ offset: keyStart, path: at, message: 'is there twice; keep one of them' });
    } else if (name === '<<') {
      mistakes.push({
        offset: keyStart,
        path: at,
        message: 'is a merge key, which is not used here; write the values out',
      });
    } else if (name === '__proto__') {
      mistakes.push({ offset: keyStart, path: at, message: 'is not a name that can be used' });
    } else {
      entries.set(name, { keyStart, tree });
    }
  }
  return { kind: 'map', start: startOf(map), entries };
}

function refuseExtras(node: unknown, path: Path, mistakes: Mistake[]): void {
  const refuse = (message: string) => mistakes.push({ offset: startOf(node), path, message });
  if (isAlias(node)) refuse(`is an alias (*${node.source.slice(0, 60)}); write the value out`);
  else if (isScalar(node) || isMap(node) || isSeq(node)) {
    if (node.anchor !== undefined)
      refuse(`has an anchor (&${node.anchor.slice(0, 60)}); anchors and aliases are not used here, remove it`);
    if (node.tag !== undefined) refuse(`has a tag (${node.tag.slice(0, 60)}); tags are not used here, remove it`);
  }
}

function startOf(node: unknown): number {
  if (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)) return node.range?.[0] ?? 0;
  const range: unknown = typeof node === 'object' && node !== null && 'range' in node ? node.range : null;
  return Array.isArray(range) && typeof range[0] === 'number' ? range[0] : 0;
}

/** The first mistake of each line: one slip usually makes the parser stumble several times. */
function syntaxMistakes(errors: readonly YAMLError[], lines: LineCounter): Mistake[] {
  const first = new Map<number, Mistake>();
  for (const error of errors) {
    const [offset] = error.pos;
    const { line } = lines.linePos(offset);
    if (!first.has(line)) first.set(line, { offset, path: [], message: syntaxMessage(error) });
  }
  return [...first.values()];
}

function syntaxMessage(error: YAMLError): string {
  switch (error.code) {
    case 'MULTIPLE_DOCS':
      return 'a second document begins here; a configuration is one document, remove the `---`';
    case 'TAB_AS_INDENT':
      return 'tabs cannot indent in YAML; use spaces';
    case 'RESOURCE_EXHAUSTION':
      return 'is nested too deeply to be a configuration';
    case 'BLOCK_AS_IMPLICIT_KEY':
      return 'is not valid YAML: a second `key:` on one line; put it on a line of its own, or the value in quotes';
    case 'NON_STRING_KEY':
      return 'is not valid here: a key must be plain text';
    default:
      return `is not valid YAML: ${error.message.slice(0, 200)}${hintFor(error.message)}`;
  }
}

function hintFor(message: string): string {
  return message.startsWith('Unexpected flow-map') ? '; inside { } write references in quotes' : '';
}
