import { stripVTControlCharacters } from 'node:util';
import type { Sink } from './io.ts';

/** Some lines at the bottom of a terminal that are drawn again in place. Only for a sink that is a TTY. */
export class LiveArea {
  private readonly sink: Sink;
  private drawn = 0;

  constructor(sink: Sink) {
    this.sink = sink;
  }

  /** Replaces what was drawn before. Lines are cut to the terminal: a wrapped line could not be taken back. */
  draw(lines: readonly string[]): void {
    // A terminal of size 0, as of some containers and pipelines, does not know its own.
    const columns = this.sink.columns || 80;
    const rows = Math.max(1, (this.sink.rows || 24) - 1);
    const shown = lines.slice(0, rows).map((line) => cut(line, columns));
    this.sink.write(`${this.erase()}${shown.join('\n')}\n`);
    this.drawn = shown.length;
  }

  /** Takes the area away, so that ordinary lines can follow. */
  clear(): void {
    if (this.drawn > 0) this.sink.write(this.erase());
    this.drawn = 0;
  }

  private erase(): string {
    return this.drawn > 0 ? `\u001b[${this.drawn}A\u001b[J` : '';
  }
}

function cut(line: string, columns: number): string {
  const plain = stripVTControlCharacters(line);
  return plain.length <= columns ? line : `${plain.slice(0, Math.max(0, columns - 1))}…`;
}
