import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type GateFile, writeGateFile } from './gate.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

type Json = Readonly<Record<string, unknown>>;

type Environment = Readonly<Record<string, string>>;

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** By function: of the directory of the gate. */
  readonly env?: Environment | ((directory: string) => Environment);
  /** Given to Node.js itself. */
  readonly nodeArguments?: readonly string[];
  /** What Node.js runs; default the sources. */
  readonly main?: string;
  /** A program and its arguments that is given the command and becomes it, such as `prlimit --nofile=128`. */
  readonly by?: readonly string[];
}

export interface RunOptions extends CommandOptions {
  /** As `npx` starts it, a shell in between; the process is then the shell. */
  readonly throughShell?: boolean;
}

/** Runs the command-line tool in a process of its own until it ends. */
export async function tealgate(argv: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  const child = start(argv, options);
  const stdout = text(child.stdout);
  const stderr = text(child.stderr);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: await stdout, stderr: await stderr };
}

/** `tealgate run` in a process of its own. */
export class RunningGate implements AsyncDisposable {
  readonly directory: string;
  /** Its log so far: every line of its output, parsed. */
  readonly log: Json[] = [];
  readonly process: ChildProcess;
  private readonly exited: Promise<number | null>;
  private closed = false;
  private changed = Promise.withResolvers<void>();

  private constructor(directory: string, process: ChildProcess) {
    this.directory = directory;
    this.process = process;
    if (process.stdout === null) throw new Error('the output of the gate is not read');
    const lines = createInterface({ input: process.stdout });
    lines.on('line', (line) => {
      this.log.push(parseLine(line));
      this.wake();
    });
    this.exited = once(process, 'close').then(([code]) => {
      this.closed = true;
      this.wake();
      return code;
    });
  }

  /** Resolves when it listens. */
  static async start(file: GateFile, options: RunOptions = {}): Promise<RunningGate> {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
    return RunningGate.begin(directory, await writeGateFile(directory, file), options);
  }

  /** As `start`, for a gate whose log cannot be read: it has been started, no more. */
  static async launch(file: GateFile, options: RunOptions): Promise<RunningGate> {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
    return RunningGate.spawn(directory, await writeGateFile(directory, file), options);
  }

  /** As `start`, with the text of the file. */
  static async startText(text: string): Promise<RunningGate> {
    const directory = await mkdtemp(join(tmpdir(), 'tealgate-e2e-'));
    const config = join(directory, 'tealgate.yaml');
    await writeFile(config, text);
    return RunningGate.begin(directory, config, {});
  }

  private static async begin(directory: string, config: string, options: RunOptions): Promise<RunningGate> {
    const gate = RunningGate.spawn(directory, config, options);
    await gate.logged('listening');
    return gate;
  }

  private static spawn(directory: string, config: string, options: RunOptions): RunningGate {
    const argv = ['run', '--config', config];
    const child = options.throughShell === true ? startInShell(argv) : start(argv, options, directory);
    return new RunningGate(directory, child);
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get url(): string {
    // The log line `listening` has both.
    const { addresses } = this.listening as { addresses: readonly string[] };
    return `http://${addresses[0]}`;
  }

  get admin(): string {
    const admin = String(this.listening.admin);
    return admin.startsWith('unix:') ? admin : `http://${admin}`;
  }

  /** Runs a command against this gate. */
  command(...argv: readonly string[]): Promise<Ended> {
    return tealgate(argv, { env: { TEALGATE_ADMIN: this.admin } });
  }

  write(file: GateFile): Promise<string> {
    return writeGateFile(this.directory, file);
  }

  /** The first log line with this event, waiting for it if need be. Throws when the process ends without it. */
  async logged(event: string): Promise<Json> {
    for (;;) {
      const line = this.log.find((entry) => entry.event === event);
      if (line !== undefined) return line;
      if (this.closed) throw new Error(`the gate ended with ${this.process.exitCode} without ${event}`);
      await this.changed.promise;
    }
  }

  /** Sends a signal and waits for the end; the exit code. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.process.kill(signal);
    return this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The whole group: with a shell in between, the gate is not our child.
    if (!this.closed && this.process.pid !== undefined) kill(-this.process.pid, 'SIGKILL');
    await this.exited;
    await rm(this.directory, { recursive: true, force: true });
  }

  private get listening(): Json {
    return this.log.find(({ event }) => event === 'listening') ?? {};
  }

  private wake(): void {
    this.changed.resolve();
    this.changed = Promise.withResolvers<void>();
  }
}

function start(argv: readonly string[], options: CommandOptions, directory = '') {
  const { env = {}, nodeArguments = [], main = MAIN, by = [] } = options;
  const [program = process.execPath, ...words] = [...by, process.execPath, ...nodeArguments, main, ...argv];
  return spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { PATH: process.env.PATH, ...(typeof env === 'function' ? env(directory) : env) },
  });
}

function startInShell(argv: readonly string[]) {
  // Two commands, so that no shell replaces itself by the first.
  const script = `${[process.execPath, MAIN, ...argv].map((word) => `'${word}'`).join(' ')}; exit`;
  return spawn('sh', ['-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { PATH: process.env.PATH, npm_lifecycle_event: 'npx' },
  });
}

/** The last line of a process that ended while nobody read may be cut. */
function parseLine(line: string): Json {
  try {
    return JSON.parse(line) as Json; // log lines are objects
  } catch {
    return { event: 'cut', line };
  }
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
