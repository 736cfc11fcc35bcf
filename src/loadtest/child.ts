import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

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
/** Longest that a killed descendant is waited for; one that nobody reaps is counted as there. */
const GONE_WITHIN_MS = 1_000;
const LOOK_EVERY_MS = 5;

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

  /** The group, at once; 0 only looks. Returns whether anything of it was left. */
  kill(signal: NodeJS.Signals | 0): boolean {
    if (this.#process.pid === undefined) return false;
    try {
      return process.kill(-this.#process.pid, signal);
    } catch {
      return false;
    }
  }

  /** Asks it to end, and kills what is left of the group after 10 s. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.kill(signal);
    const timer = setTimeout(() => this.kill('SIGKILL'), END_WITHIN_MS);
    await this.#exited;
    clearTimeout(timer);
    // Its own children need not have heard of it, and hold their ports until they have gone.
    this.kill('SIGKILL');
    for (let waitedMs = 0; waitedMs < GONE_WITHIN_MS && this.kill(0); waitedMs += LOOK_EVERY_MS) {
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** The last lines of its output. */
  tail(lines = 10): string {
    return readFileSync(this.logPath, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
