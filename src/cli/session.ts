import { CommanderError } from 'commander';
import { TealgateError } from '../platform/errors.ts';
import type { AdminClient } from './client.ts';
import type { Context, GlobalOptions } from './context.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import { type Attempt, withHint } from './hints.ts';
import type { Io } from './io.ts';
import { Output } from './output.ts';

/** One invocation: gives a verb its context, keeps its exit code, shows its failure, closes what it opened. */
export class Session {
  readonly io: Io;
  exit: ExitCode = EXIT.ok;
  private out: Output;
  private options: GlobalOptions = {};
  private attempt: Attempt = { verb: '', service: null, group: null };
  private opened: AdminClient | null = null;

  constructor(io: Io, json: boolean) {
    this.io = io;
    this.out = new Output(io, { json, quiet: false });
  }

  /** Runs a verb. `attempt` is what the hint of a failure is about. */
  async run(attempt: Attempt, options: GlobalOptions, verb: (ctx: Context) => Promise<ExitCode>): Promise<void> {
    this.attempt = attempt;
    this.options = options;
    this.out = new Output(this.io, { json: options.json === true, quiet: options.quiet === true });
    this.exit = await verb({ io: this.io, out: this.out, client: () => this.client() });
    this.out.progressEnd();
  }

  /** Shows why the invocation failed, with what to type next. */
  async fail(error: unknown): Promise<void> {
    if (error instanceof CommanderError) this.failUsage(error);
    else if (this.io.signal.aborted) this.exit = EXIT.failed;
    else this.show(await withHint(cliError(error), this.attempt, this.opened));
  }

  async close(): Promise<void> {
    await this.opened?.close();
  }

  private async client(): Promise<AdminClient> {
    if (this.opened === null) {
      const { AdminClient } = await import('./client.ts');
      this.opened = await AdminClient.from(this.options, this.io);
    }
    return this.opened;
  }

  private failUsage(error: CommanderError): void {
    if (error.exitCode === 0) return;
    // Help that was shown because a command is missing says all there is to say.
    if (error.code === 'commander.help') this.exit = EXIT.usage;
    else this.show(new CliError(EXIT.usage, error.message.replace(/^error: /, ''), { hint: 'tealgate --help' }));
  }

  private show(error: CliError): void {
    this.exit = error.exit;
    this.out.error(error);
  }
}

/** What a verb threw, as the user sees it. A bug keeps its stack: there is no better message for one. */
function cliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof TealgateError && error.code !== 'internal') {
    const message = [error.message, ...problemsOf(error)].join('\n');
    return new CliError(EXIT_OF[error.code] ?? EXIT.failed, message, { code: error.code, cause: error });
  }
  const cause = error instanceof TealgateError ? error.cause : error;
  return new CliError(EXIT.failed, cause instanceof Error ? (cause.stack ?? cause.message) : String(cause), {
    code: 'internal',
    cause: error,
  });
}

/** All that is wrong, where an error has found several things and its message does not say them. */
function problemsOf(error: TealgateError): string[] {
  const { problems } = error.details;
  return Array.isArray(problems) ? problems.map(String).filter((text) => !error.message.includes(text)) : [];
}

const EXIT_OF: Partial<Record<TealgateError['code'], ExitCode>> = {
  bad_request: EXIT.usage,
  invalid_config: EXIT.usage,
  not_found: EXIT.usage,
  refused_by_gate: EXIT.refused,
  timeout: EXIT.timeout,
};
