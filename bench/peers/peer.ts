import type { Layout } from '../layouts.ts';

/** A proxy that the bench can start. */
export interface Peer {
  readonly id: string;
  readonly title: string;
  /** Runs on a just-in-time compiler: gets a warm-up before it is measured. */
  readonly warmsUp: boolean;
  /** Left out of runs that name no peers. */
  readonly onlyWhenNamed?: boolean;
  /** Null when it is not installed. */
  version(): string | null;
  /** Whether it can take this layout as others do. */
  supports(layout: Layout): boolean;
  /** Speaks WebSocket. */
  readonly upgrades: boolean;
  /** Writes what it needs into `setup.directory` and says how it is started. */
  prepare(setup: Setup): Prepared;
}

export interface Setup {
  readonly layout: Layout;
  /** An empty directory of its own. */
  readonly directory: string;
  readonly port: number;
  /** For an admin API. */
  readonly adminPort: number;
  /** Of the targets, in order. */
  readonly targets: readonly number[];
}

export interface Prepared {
  readonly command: readonly string[];
}
