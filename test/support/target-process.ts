import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const scriptOf = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url));

/** A target in a process of its own, to be killed: answers with its name, and never to `/hold`. */
export class TargetProcess implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  /** `script`: what it runs in place of that. */
  static async start(name: string, { script = 'target-child.ts' } = {}): Promise<TargetProcess> {
    const child = spawn(process.execPath, [scriptOf(script), name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const [line] = await once(lines, 'line');
    return new TargetProcess(child, Number(line));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** As `kill -9` does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
