import { resolve } from 'node:path';
import type { Mistake, Tree } from './document.ts';
import { hasReferences, interpolate } from './interpolate.ts';
import { mistake, type Parsed, value } from './parsed.ts';
import type { Path } from './problem.ts';
import { decodeUtf8, readBounded } from './read-file.ts';
import { PathSet, type Replacements } from './validate.ts';

const MAX_FILE_BYTES = 64 * 1024;

/** Turns the tree of a document into plain data, references replaced, and notes what became of them. */
export class References implements Replacements {
  readonly replaced = new PathSet();
  readonly failed = new PathSet();
  readonly mistakes: Mistake[] = [];
  /** Absolute paths that were named, whether or not they could be read. */
  readonly files = new Set<string>();
  readonly #text: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #directory: string;

  constructor(text: string, env: NodeJS.ProcessEnv, directory: string) {
    this.#text = text;
    this.#env = env;
    this.#directory = directory;
  }

  replaceIn(tree: Tree, path: Path): unknown {
    if (tree.kind === 'list') return tree.items.map((item, i) => this.replaceIn(item, [...path, i]));
    if (tree.kind === 'map') {
      return Object.fromEntries(
        [...tree.entries].map(([key, entry]) => [key, this.replaceIn(entry.tree, [...path, key])]),
      );
    }
    if (typeof tree.value !== 'string' || !hasReferences(tree.value)) return tree.value;
    const result = interpolate(tree.value, { env: this.#env, readFile: (file) => this.#readFile(file) });
    this.replaced.add(path);
    if (result.ok) return result.value;
    this.failed.add(path);
    this.mistakes.push({ offset: this.#offsetOf(tree.start, tree.end), path, message: result.mistake });
    return tree.value;
  }

  /** The first dollar sign of a value, which is where its first reference stands unless an escape precedes it. */
  #offsetOf(start: number, end: number): number {
    const dollar = this.#text.indexOf('$', start);
    return dollar >= 0 && dollar < end ? dollar : start;
  }

  #readFile(path: string): Parsed<string> {
    const absolute = resolve(this.#directory, path);
    this.files.add(absolute);
    const read = readBounded(absolute, MAX_FILE_BYTES);
    if (!read.ok) return mistake(`the file ${path} ${read.mistake}`);
    const text = decodeUtf8(read.value);
    return text === null ? mistake(`the file ${path} is not UTF-8 text`) : value(text);
  }
}
