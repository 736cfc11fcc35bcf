import type { z } from 'zod';
import { toFindings } from './issues.ts';
import type { Finding, Path } from './problem.ts';
import { configSchema, type Settings } from './schema.ts';
import { containerAt, StandIns } from './stand-ins.ts';
import { PARSE_OPTIONS } from './values.ts';

/** What happened to values that held references. */
export interface Replacements {
  readonly replaced: PathSet;
  /** Those that could not be replaced, which was said already. */
  readonly failed: PathSet;
}

export interface Validated {
  /** What could be understood: everything, or what is left without the parts that are wrong; null when nothing is. */
  readonly settings: Settings | null;
  readonly findings: readonly Finding[];
  /** What is wrong in the file, at or around or under a path: checks across parts must not rely on it. */
  readonly broken: PathSet;
}

/** Paths, found again at the cost of their depth. */
export class PathSet {
  readonly #paths = new Set<string>();
  readonly #above = new Set<string>();

  add(path: Path): void {
    this.#paths.add(JSON.stringify(path));
    path.forEach((_, i) => {
      this.#above.add(JSON.stringify(path.slice(0, i)));
    });
  }

  has(path: Path): boolean {
    return this.#paths.has(JSON.stringify(path));
  }

  /** This path or one above it is in the set. */
  covers(path: Path): boolean {
    return this.#paths.size > 0 && (this.has(path) || path.some((_, i) => this.has(path.slice(0, i))));
  }

  /** This path, one above it or one under it is in the set. */
  touches(path: Path): boolean {
    return this.covers(path) || this.#above.has(JSON.stringify(path));
  }
}

/**
 * Checks plain data against the schema. The data is ours to change: numbers and booleans that came from a reference as
 * text are read as such, and what is wrong is taken out so that the rest is still checked.
 */
export function validate(data: unknown, replacements: Replacements): Validated {
  const standIns = new StandIns();
  const misnamed: Finding[] = [];
  let result = parse(data, replacements, standIns);
  for (let put = standIns.put(data, issuesOf(result)); put.length > 0; put = standIns.put(data, issuesOf(result))) {
    misnamed.push(...put);
    result = parse(data, replacements, standIns);
  }
  let remaining = [...misnamed, ...toFindings(issuesOf(result))];
  const findings = remaining
    .map((finding) => ({ ...finding, path: standIns.original(finding.path) }))
    .filter(({ path }) => !replacements.failed.covers(path));
  const broken = new PathSet();
  while (remaining.length > 0 && takeOut(data, remaining, broken)) {
    result = configSchema.safeParse(data, PARSE_OPTIONS);
    remaining = toFindings(issuesOf(result));
  }
  return { settings: result.success ? result.data : null, findings, broken };
}

type Result = ReturnType<typeof configSchema.safeParse>;

function parse(data: unknown, { replaced }: Replacements, standIns: StandIns): Result {
  const result = configSchema.safeParse(data, PARSE_OPTIONS);
  const isRead = readReplaced(data, issuesOf(result), (path) => replaced.has(standIns.original(path)));
  return isRead ? configSchema.safeParse(data, PARSE_OPTIONS) : result;
}

function issuesOf({ error }: Result): readonly z.core.$ZodIssue[] {
  return error?.issues ?? [];
}

/** True when something changed. */
function readReplaced(
  data: unknown,
  issues: readonly z.core.$ZodIssue[],
  isReplaced: (path: Path) => boolean,
): boolean {
  let changed = false;
  for (const issue of issues) {
    if (issue.code === 'invalid_union') {
      for (const branch of issue.errors) {
        const nested = branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
        changed = readReplaced(data, nested, isReplaced) || changed;
      }
    }
    if (issue.code !== 'invalid_type' || issue.expected === 'string') continue;
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const container = containerAt(data, path.slice(0, -1));
    const key = path.at(-1);
    if (container === null || key === undefined || !isReplaced(path)) continue;
    const read = scalarOf(Reflect.get(container, key));
    if (read === undefined) continue;
    Reflect.set(container, key, read);
    changed = true;
  }
  return changed;
}

function scalarOf(text: unknown): number | boolean | undefined {
  if (typeof text !== 'string') return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return undefined;
}

/**
 * Removes the part that each finding is about; where it is missing itself, or an item of a list (whose numbers would
 * shift), the part around it. False when there was nothing left to remove.
 */
function takeOut(data: unknown, findings: readonly Finding[], broken: PathSet): boolean {
  let removed = false;
  for (const { path, unknownKey } of findings) {
    let cut = path;
    let container = containerAt(data, cut.slice(0, -1));
    while (cut.length > 0 && !isEntry(container, cut.at(-1))) {
      cut = cut.slice(0, -1);
      container = containerAt(data, cut.slice(0, -1));
    }
    if (unknownKey !== true) broken.add(cut);
    const key = cut.at(-1);
    if (container !== null && key !== undefined) removed = Reflect.deleteProperty(container, key) || removed;
  }
  return removed;
}

function isEntry(container: object | null, key: string | number | undefined): boolean {
  return container !== null && !Array.isArray(container) && key !== undefined && Object.hasOwn(container, key);
}
