import type { z } from 'zod';
import { toFindings } from './issues.ts';
import type { Finding, Path } from './problem.ts';

/**
 * Right keys in place of wrong ones: zod looks at no value whose key it refuses, and what is wrong beneath is to be told
 * at once with the key.
 */
export class StandIns {
  /** What the file says, by what stands for it. */
  readonly #keys = new Map<string, string>();

  /** Puts one in for each wrong key, and tells of those; paths are as the data is now. */
  put(data: unknown, issues: readonly z.core.$ZodIssue[]): Finding[] {
    const wrong = issues.filter(({ code }) => code === 'invalid_key');
    return toFindings(wrong).flatMap((finding) => {
      const above = finding.path.slice(0, -1);
      const key = String(finding.path.at(-1));
      const container = containerAt(data, above);
      if (container === null || !Object.hasOwn(container, key)) return [];
      const standIn = `tealgate.stand-in.${this.#keys.size}`;
      this.#keys.set(standIn, key);
      Reflect.set(container, standIn, Reflect.get(container, key));
      Reflect.deleteProperty(container, key);
      return [{ ...finding, path: [...above, standIn] }];
    });
  }

  /** The path as the file has it. */
  original(path: Path): Path {
    return this.#keys.size === 0 ? path : path.map((part) => this.#keys.get(String(part)) ?? part);
  }
}

/** The map or list at a path of plain data; null for anything else. */
export function containerAt(data: unknown, path: Path): object | null {
  let node: unknown = data;
  for (const part of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, part)) return null;
    node = Reflect.get(node, part);
  }
  return typeof node === 'object' ? node : null;
}
