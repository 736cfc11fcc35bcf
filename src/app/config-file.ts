import { type LoadResult, loadConfig } from '../config/load.ts';
import type { Clock } from '../platform/clock.ts';
import type { ConfigStatus } from './control-plane.ts';

/** The configuration file of this gate: how to read it, and what came of reading it the last time. */
export class ConfigFile {
  readonly path: string;
  private readonly env: NodeJS.ProcessEnv;
  private readonly clock: Clock;
  private current: ConfigStatus;
  private referenced: readonly string[] = [];
  private onLoad: () => void = () => undefined;

  constructor(path: string, env: NodeJS.ProcessEnv, clock: Clock) {
    this.path = path;
    this.env = env;
    this.clock = clock;
    this.current = { path, lastReloadSuccessful: true, loadedAt: clock.wallMs(), errors: [], changes: [] };
  }

  load(): LoadResult {
    const loaded = loadConfig(this.path, this.env);
    this.referenced = loaded.files;
    this.onLoad();
    return loaded;
  }

  /** Calls back after each reading. */
  afterLoad(onLoad: () => void): void {
    this.onLoad = onLoad;
  }

  /** Files that the last reading referred to. */
  files(): readonly string[] {
    return this.referenced;
  }

  status(): ConfigStatus {
    return this.current;
  }

  accepted(changes: readonly string[]): ConfigStatus {
    const loadedAt = this.clock.wallMs();
    this.current = { ...this.current, lastReloadSuccessful: true, loadedAt, errors: [], changes };
    return this.current;
  }

  refused(errors: readonly string[]): ConfigStatus {
    this.current = { ...this.current, lastReloadSuccessful: false, errors };
    return this.current;
  }
}
