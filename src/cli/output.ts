import type { CliError } from './exit.ts';
import type { Io, Sink } from './io.ts';
import { LiveArea } from './live-area.ts';
import { type Paint, painter } from './style.ts';

/** Data goes to stdout, everything else to stderr; `--json` and `--quiet` are decided here and nowhere else. */
export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly paint: Paint;
  private readonly io: Io;
  private readonly paintErr: Paint;
  private readonly live: LiveArea | null;
  private milestone = '';

  constructor(io: Io, options: { json: boolean; quiet: boolean }) {
    this.io = io;
    this.json = options.json;
    this.quiet = options.quiet;
    this.paint = painter(io.stdout, io.env);
    this.paintErr = painter(io.stderr, io.env);
    this.live = redraws(io.stderr, io.env) && !options.quiet ? new LiveArea(io.stderr) : null;
  }

  /** Whether tables and bars make sense. */
  get tty(): boolean {
    return this.io.stdout.isTTY === true && !this.json;
  }

  /** Where something may be drawn again in place; null where it may not, and for `--json`. */
  area(): LiveArea | null {
    return this.tty && redraws(this.io.stdout, this.io.env) ? new LiveArea(this.io.stdout) : null;
  }

  /** Lines of data. */
  lines(lines: readonly string[]): void {
    if (lines.length > 0) this.io.stdout.write(`${lines.join('\n')}\n`);
  }

  /** A document: indented for reading. */
  document(value: unknown): void {
    this.io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** One JSON value on a line of its own (NDJSON). */
  record(value: unknown): void {
    this.io.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** The result of a command that changed something: the API's answer with `--json`, a sentence otherwise. */
  result(value: unknown, sentence: string): void {
    this.progressEnd();
    if (this.json) this.document(value);
    else if (!this.quiet) this.lines([sentence]);
  }

  /** Lines about what is wrong; shown with `--quiet` as well. */
  failures(lines: readonly string[]): void {
    this.progressEnd();
    if (lines.length > 0) this.io.stderr.write(`${lines.join('\n')}\n`);
  }

  /** Something worth knowing that is not data. */
  note(text: string): void {
    this.progressEnd();
    if (!this.quiet) this.io.stderr.write(`${text}\n`);
  }

  /** On a terminal `live` is redrawn in place; elsewhere `milestone` is printed when it changes. */
  progress(live: string, milestone: string): void {
    if (this.live !== null) this.live.draw([live]);
    else if (!this.quiet && milestone !== this.milestone) this.io.stderr.write(`${milestone}\n`);
    this.milestone = milestone;
  }

  progressEnd(): void {
    this.live?.clear();
  }

  /** The one way a failure is shown. With `--json` it is a JSON object, still on stderr. */
  error(error: CliError): void {
    this.progressEnd();
    if (this.json) {
      const { code, message, hint, exit } = error;
      this.io.stderr.write(`${JSON.stringify({ error: { code, message, hint, exit } })}\n`);
      return;
    }
    this.io.stderr.write(`${this.paintErr(['red', 'bold'], 'error:')} ${error.message}\n`);
    if (error.hint !== null) this.io.stderr.write(`${this.paintErr('dim', 'next: ')} ${error.hint}\n`);
  }
}

/** A dumb terminal, such as a shell in an editor, shows the codes that move its cursor. */
function redraws(sink: Sink, env: Io['env']): boolean {
  return sink.isTTY === true && env.TERM !== 'dumb';
}
