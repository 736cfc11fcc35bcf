/** One thing wrong with a configuration file (or, as a warning, one that is likely not meant). */
export interface ConfigProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** Dotted, e.g. `services.shop.upstreams.green.weight`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
  /** The offending line, secrets masked; empty when there is none. */
  readonly source: string;
}

export type Path = readonly (string | number)[];

/** A problem before it is located in a file. */
export interface Finding {
  readonly path: Path;
  /** Points at the key instead of its value. */
  readonly atKey?: boolean;
  /** The key itself is the mistake; everything around it still stands. */
  readonly unknownKey?: boolean;
  readonly message: string;
}

const SHOWN_COLUMNS = 160;
// C0 and C1 controls and the bidirectional overrides: a file must not write to the terminal that shows its mistakes.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be replaced
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** `file:line:col path: what, and what would be right`, then the offending line with a caret beneath. */
export function formatProblem(problem: ConfigProblem): string {
  const place = `${problem.file}:${problem.line}:${problem.column}`;
  const head = problem.path === '' ? `${place} ${problem.message}` : `${place} ${problem.path}: ${problem.message}`;
  if (problem.source.trim() === '') return head;
  const from = problem.column > SHOWN_COLUMNS ? problem.column - SHOWN_COLUMNS / 2 : 0;
  const shown = problem.source.slice(from, from + SHOWN_COLUMNS);
  const indent = shown.slice(0, problem.column - 1 - from).replace(/[^\t]/g, ' ');
  return `${head}\n  ${shown}\n  ${indent}^`;
}

/** `a.b[2].c`; keys that are not plain words are quoted. */
export function formatPath(path: Path): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += (text === '' ? '' : '.') + (/^[\w$-]+$/.test(part) ? part : JSON.stringify(part.slice(0, 60)));
  }
  return printable(text);
}

export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd');
}

/** Whether all at and under a path is as the file has it. */
export type Clean = (...path: Path) => boolean;
