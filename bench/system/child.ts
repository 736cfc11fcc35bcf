import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 3000;

/** A process that the bench started, and ends. */
export interface Child {
  readonly pid: number;
  /** From the start to the first connection accepted on every port. */
  readonly startMs: number;
  stop(): Promise<void>;
}

/** Starts a server and waits until all its `ports` accept; its output goes to `logFile`. Throws with the log if it dies. */
export async function startServer(
  command: readonly string[],
  ports: readonly number[],
  logFile: string,
): Promise<Child> {
  const [file = '', ...args] = command;
  const log = openSync(logFile, 'w');
  const startedAtMs = performance.now();
  const child = spawn(file, args, { stdio: ['ignore', log, log] });
  closeSync(log);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  while (!(await acceptAll(ports))) {
    const late = performance.now() - startedAtMs > START_DEADLINE_MS;
    if (!late && child.exitCode === null && child.pid !== undefined) {
      await sleep(5);
      continue;
    }
    await end(child, exited);
    throw new Error(`${command.join(' ')} does not serve:\n${readFileSync(logFile, 'utf8').slice(-2000)}`);
  }
  const startMs = performance.now() - startedAtMs;
  return { pid: child.pid ?? 0, startMs, stop: () => end(child, exited) };
}

/** Runs a command to its end and returns what it printed; throws with its complaints if it fails. */
export async function runCommand(command: readonly string[]): Promise<string> {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let complaints = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${complaints}`);
  return out;
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function acceptAll(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if (!(await accepts(port))) return false;
  return true;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      // Where nobody listens yet, a socket may be given the very port that it connects to, and be its own peer.
      const isItself = socket.localPort === port;
      socket.destroy();
      resolve(!isItself);
    });
    socket.once('error', () => resolve(false));
  });
}

async function end(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const patience = new AbortController();
  const late = sleep(STOP_DEADLINE_MS, 'late', { signal: patience.signal }).catch(() => null);
  if ((await Promise.race([exited, late])) === 'late') child.kill('SIGKILL');
  await exited;
  patience.abort();
}
