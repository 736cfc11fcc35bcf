import { type ConfigProblem, formatPath, type Path, printable } from './problem.ts';

/** The text of a configuration file, and where in it an offset lies. */
export class Source {
  readonly file: string;
  readonly text: string;
  readonly #lineStarts: readonly number[];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    const starts = [0];
    for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1);
    this.#lineStarts = starts;
  }

  /** A problem at an offset of the text. */
  problem(offset: number, path: Path, message: string): ConfigProblem {
    const line = this.#lineAt(offset);
    const start = this.#lineStarts[line] ?? 0;
    const end = this.#lineStarts[line + 1] ?? this.text.length + 1;
    const source = this.text.slice(start, end - 1).replace(/\r$/, '');
    return {
      file: this.file,
      line: line + 1,
      column: Math.min(offset - start, source.length) + 1,
      path: formatPath(path),
      message: printable(message),
      source: printable(mask(source)),
    };
  }

  /** From 0. */
  #lineAt(offset: number): number {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * Tokens, secrets and passwords written into the file are not repeated in logs, and of URLs that the gate asks no more
 * than whom; lengths stay, so that the caret still fits.
 */
function mask(line: string): string {
  const brace = line.indexOf('{');
  const isInBraces = brace >= 0 && /token|secret|password/.test(line.slice(brace));
  return line
    .replace(isInBraces ? SECRET_IN_BRACES : SECRET, (all: string, key: string, secret: string) =>
      secret.includes('${') ? all : key + '*'.repeat(secret.length),
    )
    .replace(ENDPOINT_PATH, (all: string, head: string, path: string) =>
      path.includes('${') ? all : head + '*'.repeat(path.length),
    )
    .replace(
      /(:\/\/[^/@\s:]*:)([^/@\s]+)(?=@)/g,
      (_, head: string, secret: string) => head + '*'.repeat(secret.length),
    );
}

const SECRET = /(\b(?:token|secret|password)["']?\s*:\s*)("[^"]*"?|'[^']*'?|\S.*)/g;
const SECRET_IN_BRACES = /(\b(?:token|secret|password)["']?\s*:\s*)("[^"]*"?|'[^']*'?|[^\s,}][^,}]*)/g;
/** Chat services take whoever knows the path of a URL for its owner. */
const ENDPOINT_PATH = /(\burl["']?\s*:\s*["']?[a-z]+:\/\/[^/\s"',}]*\/)([^\s"',}]+)/gi;
