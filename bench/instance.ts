import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Layout } from './layouts.ts';
import type { Peer } from './peers/peer.ts';
import { type Child, freePort, startServer } from './system/child.ts';
import type { Cores } from './system/cores.ts';
import { pinned } from './system/cores.ts';
import { type CpuTime, cpuTime, processTree, residentBytes } from './system/process-tree.ts';
import type { Targets } from './targets.ts';

/** A peer that runs in one layout. */
export class Instance {
  readonly peer: Peer;
  readonly layout: Layout;
  readonly directory: string;
  readonly port: number;
  readonly adminPort: number;
  readonly #child: Child;

  private constructor(
    parts: { peer: Peer; layout: Layout; directory: string; port: number; adminPort: number },
    child: Child,
  ) {
    this.peer = parts.peer;
    this.layout = parts.layout;
    this.directory = parts.directory;
    this.port = parts.port;
    this.adminPort = parts.adminPort;
    this.#child = child;
  }

  static async start(
    peer: Peer,
    layout: Layout,
    lab: { directory: string; cores: Cores; targets: Targets },
  ): Promise<Instance> {
    const directory = join(lab.directory, `${peer.id}-${layout.id}`);
    mkdirSync(directory, { recursive: true });
    const port = await freePort();
    const adminPort = await freePort();
    const targets = lab.targets[layout.behind].slice(0, layout.targets);
    const { command } = peer.prepare({ layout, directory, port, adminPort, targets });
    const ports = layout.operated ? [port, adminPort] : [port];
    const child = await startServer(pinned(lab.cores.proxy, command), ports, join(directory, 'output.log'));
    return new Instance({ peer, layout, directory, port, adminPort }, child);
  }

  /** From the start of the process to the first accepted connection. */
  get startMs(): number {
    return this.#child.startMs;
  }

  /** Looked up each time: a master may listen before it has its workers. */
  get #processes(): readonly number[] {
    return processTree(this.#child.pid);
  }

  cpuTime(): CpuTime {
    return cpuTime(this.#processes);
  }

  residentBytes(): number {
    return residentBytes(this.#processes);
  }

  /** Does nothing until `resume`: what idle proxies do now and then would be in the tails of the one that is measured. */
  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  stop(): Promise<void> {
    this.resume();
    return this.#child.stop();
  }

  #signal(signal: NodeJS.Signals): void {
    for (const pid of this.#processes) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it died: who measures it is told by its failures
      }
    }
  }
}
