import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ShopMessage, ShopOptions, ShopReport } from './shop.ts';

const CLI = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

/** A running version of the shop. */
export class ShopProcess implements AsyncDisposable {
  readonly version: string;
  readonly url: string;
  private readonly child: ChildProcess;

  private constructor(version: string, url: string, child: ChildProcess) {
    this.version = version;
    this.url = url;
    this.child = child;
  }

  static async start(options: ShopOptions): Promise<ShopProcess> {
    const child = fork(fileURLToPath(new URL('shop.ts', import.meta.url)), [JSON.stringify(options)]);
    const message = await nextMessage(child);
    if (message.type !== 'listening') throw new Error(`the shop ${options.version} did not start`);
    return new ShopProcess(options.version, `http://127.0.0.1:${message.port}`, child);
  }

  async report(): Promise<ShopReport> {
    const answer = nextMessage(this.child);
    this.child.send('report');
    const message = await answer;
    if (message.type !== 'report') throw new Error(`the shop ${this.version} did not report`);
    return message.report;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.child, 'SIGTERM');
  }
}

/** The gate, started as a user starts it. */
export class GateProcess implements AsyncDisposable {
  /** Where clients go. */
  readonly url: string;
  /** The admin endpoint and dashboard. */
  readonly admin: string;
  private readonly child: ChildProcess;

  private constructor(addresses: { url: string; admin: string }, child: ChildProcess) {
    this.url = addresses.url;
    this.admin = addresses.admin;
    this.child = child;
  }

  static async start(configPath: string): Promise<GateProcess> {
    const child = spawn(process.execPath, [CLI, 'run', '--config', configPath], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface({ input: child.stdout })) {
      const addresses = readListening(line);
      if (addresses === null) continue;
      // What it logs from here on is not part of the show, but it must be read.
      child.stdout.resume();
      return new GateProcess(addresses, child);
    }
    throw new Error('the gate ended before it listened');
  }

  /** Runs a command against this gate, as a user types it. */
  async command(...argv: readonly string[]): Promise<CommandResult> {
    const child = spawn(process.execPath, [CLI, ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TEALGATE_ADMIN: this.admin },
    });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: Number(code), output: `${stdout}${stderr}`.trim() };
  }

  /** Asks it to drain and stop; the exit code. */
  async stop(): Promise<number | null> {
    await end(this.child, 'SIGTERM');
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

export interface CommandResult {
  readonly code: number;
  readonly output: string;
}

/** Longest that a process may take to end before it is killed. */
const END_WITHIN_MS = 10_000;

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await ended;
  clearTimeout(timer);
}

async function nextMessage(child: ChildProcess): Promise<ShopMessage> {
  const gone = new AbortController();
  const exited = once(child, 'exit', { signal: gone.signal }).then(() => {
    throw new Error('a version of the shop ended by itself');
  });
  const [message] = await Promise.race([once(child, 'message', { signal: gone.signal }), exited]);
  gone.abort();
  exited.catch(() => undefined);
  // shop.ts sends nothing else.
  return message as ShopMessage;
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Addresses of the log line `listening`, or null for another line. */
function readListening(line: string): { url: string; admin: string } | null {
  // The gate logs one JSON object a line.
  const entry = JSON.parse(line) as { event?: string; addresses?: string[]; admin?: string };
  const first = entry.addresses?.[0];
  if (entry.event !== 'listening' || first === undefined || entry.admin === undefined) return null;
  return { url: `http://${first}`, admin: `http://${entry.admin}` };
}
