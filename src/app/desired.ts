import type { Rollout } from '../rollout/rollout.ts';

/**
 * What operators and rollouts decided at run time, as the store keeps it. The configuration file is the base; an
 * override holds until the file's own value for the same field changes (the later writer wins, field by field).
 */
export interface DesiredState {
  /** Format of this document; a newer one than ours is refused. */
  readonly format: 1;
  readonly services: Readonly<Record<string, DesiredService>>;
  /** Keys that sign pin cookies, newest first. */
  readonly pinKeys: readonly { readonly id: string; readonly secret: string }[];
}

export interface DesiredService {
  readonly weights: Override<Readonly<Record<string, number>>> | null;
  readonly stable: Override<string> | null;
  readonly targets: Readonly<Record<string, Override<readonly string[]>>>;
  /** Upstreams that take no request at all. */
  readonly draining: Readonly<Record<string, { readonly sinceAt: number }>>;
  /** Old sides that stay as they are after a promotion, and drain when their time is over. Absent: none. */
  readonly warm?: Readonly<Record<string, WarmUpstream>>;
  readonly pinEpochs: Readonly<Record<string, number>>;
  /** Newest first; the first may be running. At most 20 are kept. */
  readonly rollouts: readonly Rollout[];
}

/** `base` is the file's value when the override was made. */
export interface Override<T> {
  readonly value: T;
  readonly base: T;
}

/** `keptMs`: how long it has been kept of `keepMs`, without the time while the proxy was down. */
export interface WarmUpstream {
  readonly sinceAt: number;
  readonly keepMs: number;
  readonly keptMs: number;
}
