import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./gate-child.ts', import.meta.url));

/** A gate in another process. */
export interface GateProcess extends AsyncDisposable {
  readonly url: string;
  readonly adminUrl: string;
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** GET of the admin API. */
  ask(path: string): Promise<unknown>;
  /** PUT or POST to the admin API. */
  command(method: 'PUT' | 'POST', path: string, body: unknown): Promise<unknown>;
}

/** Starts a gate and resolves when it listens. Throws with what it said when it ends before. */
export async function spawnGate(configPath: string): Promise<GateProcess> {
  const child = spawn(process.execPath, [CHILD, configPath], { stdio: ['ignore', 'pipe', 'pipe'] });
  const errors: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text));
  const { addresses, admin } = await listening(child).catch((error: unknown) => {
    throw new Error(errors.join(''), { cause: error });
  });
  const adminUrl = `http://${admin}`;
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
    return child.exitCode;
  };
  const ask = async (path: string, init?: RequestInit): Promise<unknown> => {
    const answer = await fetch(adminUrl + path, init);
    const body: unknown = await answer.json();
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(body)}`);
    return body;
  };
  return {
    url: `http://${addresses[0]}`,
    adminUrl,
    kill,
    ask,
    command: (method, path, body) =>
      ask(path, { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    [Symbol.asyncDispose]: async () => void (await kill('SIGKILL')),
  };
}

interface Listening {
  readonly addresses: readonly string[];
  readonly admin: string;
}

async function listening(child: ChildProcess): Promise<Listening> {
  if (child.stdout === null) throw new Error('no standard output');
  const lines = createInterface({ input: child.stdout });
  try {
    for await (const line of lines) {
      const entry = JSON.parse(line) as { readonly event: string } & Listening;
      if (entry.event === 'listening') return entry;
    }
  } finally {
    // Nobody reads on, but the pipe must not fill up. The end of the loop pauses it, so this comes after.
    child.stdout.resume();
  }
  throw new Error('it ended before it listened');
}
