import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { locate, readDocument, type Tree } from '../config/document.ts';
import { toFindings } from '../config/issues.ts';
import { formatProblem } from '../config/problem.ts';
import { Source } from '../config/source.ts';
import { count, name, object, PARSE_OPTIONS, requestPath } from '../config/values.ts';
import { TealgateError } from '../platform/errors.ts';

const upstreamSchema = object({
  command: z.union([z.string().min(1), z.array(z.string()).min(1)], {
    error: 'give a command, or a list of its words',
  }),
  health: requestPath.optional(),
  port: count(1, 65_535).optional(),
  env: z.record(z.string(), z.string()).prefault({}),
});

const fileSchema = object({
  gate: z.union([z.string().min(1), z.record(z.string(), z.unknown())], {
    error: 'give the path of a configuration, or a configuration',
  }),
  upstreams: z.record(name(), upstreamSchema),
});

/** A process to serve an upstream. */
export interface SpawnedUpstream {
  readonly name: string;
  /** A line for the shell, or words for no shell; `{port}` is where it must listen on 127.0.0.1. */
  readonly command: string | readonly string[];
  /** Asked until it answers below 400; null: until it takes connections. */
  readonly health: string | null;
  /** null: a free one. */
  readonly port: number | null;
  readonly env: Readonly<Record<string, string>>;
}

/** What `--spawn` starts. */
export interface SpawnFile {
  /** Where the commands run and relative paths begin: the folder of the file. */
  readonly directory: string;
  /** An absolute path, or the configuration itself. */
  readonly gate: string | Readonly<Record<string, unknown>>;
  readonly upstreams: readonly SpawnedUpstream[];
}

/** Throws TealgateError `bad_request` with every mistake as `file:line:col`. */
export async function readSpawnFile(path: string): Promise<SpawnFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new TealgateError('bad_request', `--spawn ${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
  return parseSpawnFile(text, path);
}

/** As `readSpawnFile`, for text that was read already. */
export function parseSpawnFile(text: string, path: string): SpawnFile {
  const source = new Source(path, text);
  const refuse = (problems: readonly { offset: number; path: readonly (string | number)[]; message: string }[]) =>
    new TealgateError(
      'bad_request',
      problems
        .toSorted((a, b) => a.offset - b.offset)
        .map(({ offset, path: at, message }) => formatProblem(source.problem(offset, at, message)))
        .join('\n'),
    );
  const { tree, mistakes } = readDocument(text);
  if (tree === null || mistakes.length > 0) throw refuse(mistakes);
  const parsed = fileSchema.safeParse(toData(tree), PARSE_OPTIONS);
  if (!parsed.success) {
    const findings = toFindings(parsed.error.issues);
    throw refuse(findings.map((found) => ({ ...found, offset: locate(tree, found.path, found.atKey === true) })));
  }
  const directory = dirname(resolve(path));
  const { gate, upstreams } = parsed.data;
  return {
    directory,
    gate: typeof gate === 'string' ? resolve(directory, gate) : gate,
    upstreams: Object.entries(upstreams).map(([upstream, { command, health, port, env }]) => ({
      name: upstream,
      command,
      health: health ?? null,
      port: port ?? null,
      env,
    })),
  };
}

/** The variable by which the gate's configuration learns the port of an upstream: `BLUE_PORT` for `blue`. */
export function portVariable(upstream: string): string {
  return `${upstream.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_PORT`;
}

function toData(tree: Tree): unknown {
  switch (tree.kind) {
    case 'scalar':
      return tree.value;
    case 'list':
      return tree.items.map(toData);
    case 'map':
      return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toData(entry.tree)]));
  }
}
