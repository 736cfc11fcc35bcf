import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

export interface ChildOptions {
  readonly name: string;
  /** A line for the shell, or words. */
  readonly command: string | readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Gets all output, after what is there already. */
  readonly logPath: string;
}

/** Longest that a process may take to end before it is killed. */
const END_WITHIN_MS = 10_000;

/** A process with its descendants, in a group of their own so that all of them can be ended by its id. */
export class Child {
  readonly name: string;
  readonly logPath: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #how: string | null = null;

  constructor({ name, command, cwd, env, logPath }: ChildOptions) {
    this.name = name;
    this.logPath = logPath;
    const log = openSync(logPath, 'a');
    const [file = '', ...words] = typeof command === 'string' ? [command] : command;
    const shell = typeof command === 'string';
    this.#process = spawn(file, words, { cwd, env, shell, detached: true, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#exited = new Promise((resolve) => {
      const ended = (how: string) => {
        this.#how ??= how;
        resolve();
      };
      this.#process.on('error', (error) => ended(`could not be started: ${error.message}`));
      this.#process.on('exit', (code, signal) => ended(signal === null ? `ended with ${code}` : `ended by ${signal}`));
    });
  }

  /** `ended with 1`; null while it runs. */
  get ended(): string | null {
    return this.#how;
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  /** The group, at once. */
  kill(signal: NodeJS.Signals): void {
    if (this.#process.pid === undefined) return;
    try {
      process.kill(-this.#process.pid, signal);
    } catch {
      // Nothing of the group is left.
    }
  }

  /** Asks it to end, and kills what is left of the group after 10 s. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.kill(signal);
    const timer = setTimeout(() => this.kill('SIGKILL'), END_WITHIN_MS);
    await this.#exited;
    clearTimeout(timer);
    // Its own children need not have heard of it.
    this.kill('SIGKILL');
  }

  /** The last lines of its output. */
  tail(lines = 10): string {
    return readFileSync(this.logPath, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
