import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Instance } from './instance.ts';
import type { Layout } from './layouts.ts';
import { runWrk } from './load/wrk.ts';
import type { Peer } from './peers/peer.ts';
import { type Cores, divideCores, pinSelf } from './system/cores.ts';
import { startTargets, type Targets } from './targets.ts';

const MOST_TARGETS = 100;

/** What runs during a bench: targets, and every peer in every layout that was asked for, stopped until it is measured. */
export class Lab {
  readonly directory: string;
  readonly cores: Cores;
  readonly targets: Targets;
  readonly #running = new Map<string, Instance>();

  private constructor(directory: string, cores: Cores, targets: Targets) {
    this.directory = directory;
    this.cores = cores;
    this.targets = targets;
  }

  static async open(): Promise<Lab> {
    const cores = divideCores();
    pinSelf(cores);
    const directory = mkdtempSync(join(tmpdir(), 'tealgate-bench-'));
    chmodSync(directory, 0o755); // nginx started by root serves files as another user
    return new Lab(directory, cores, await startTargets(directory, MOST_TARGETS));
  }

  /** Runs `work` with an instance, one that is kept unless the layout asks for a fresh one. */
  async with<T>(peer: Peer, layout: Layout, work: (instance: Instance) => Promise<T>): Promise<T> {
    if (!layout.fresh) {
      const kept = await this.#kept(peer, layout);
      kept.resume();
      return work(kept).finally(() => kept.pause());
    }
    const instance = await Instance.start(peer, layout, this);
    try {
      return await work(instance);
    } finally {
      await instance.stop();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((instance) => instance.stop()));
    await this.targets.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Requests a second that a peer takes at most, roughly, over so many connections. */
  async saturation(peer: Peer, layout: Layout, connections: number): Promise<number> {
    return this.with(peer, layout, async ({ port, directory }) => {
      const request = { method: 'GET', path: '/', headers: {}, bodyBytes: 0, chunked: false } as const;
      const result = await runWrk({ port, directory, request, connections, services: 1, seconds: 2 });
      return result.requests / result.seconds;
    });
  }

  async #kept(peer: Peer, layout: Layout): Promise<Instance> {
    const key = `${peer.id} ${layout.id}`;
    const found = this.#running.get(key);
    if (found !== undefined) return found;
    const instance = await Instance.start(peer, layout, this);
    this.#running.set(key, instance);
    return instance;
  }
}
