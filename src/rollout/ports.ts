import type { TargetTls } from '../platform/tls.ts';
import type { NewEvent } from '../store/store.ts';
import type { CountingRule } from '../traffic/snapshot.ts';
import type { Connections } from './ask.ts';
import type { Baseline, Counts, Rollout } from './rollout.ts';

/** What the runner needs from the control plane; nothing in `rollout/` knows how it is done. */
export interface RolloutPorts {
  /** Names of the services whose newest rollout has not ended. */
  running(): readonly string[];
  /** The newest rollout, or null. */
  rollout(service: string): Rollout | null;
  /**
   * Serialised with every other command. `decide` sees the newest rollout and returns what it becomes, or null for no
   * change. The rollout, its changes to weights, stable side and admin states, and its events are one durable commit;
   * only then is the snapshot published. Resolves with the rollout when every worker serves it.
   */
  update(service: string, decide: (rollout: Rollout | null) => RolloutUpdate | null): Promise<Rollout | null>;
  /**
   * Like `update`, for several services in one commit and one snapshot: `decide` sees the newest rollout of each, in their
   * order, and returns what each becomes, null where it stays; or null for no change at all.
   */
  updateTogether(
    services: readonly string[],
    decide: (rollouts: readonly (Rollout | null)[]) => readonly (RolloutUpdate | null)[] | null,
  ): Promise<void>;
  /** Attempts on an upstream since the process started, all workers together; they never decrease. */
  counts(service: string, upstream: string): Counts;
  /** The same of the slots that count by these rules. */
  slots(service: string, upstream: string, rules: readonly CountingRule[]): readonly Counts[];
  /** What the stable side of a rollout has done in the last minutes, before the candidate gets traffic. */
  baseline(rollout: Rollout): Baseline;
  /** No request and no upgraded connection left on an upstream that drains. */
  drained(service: string, upstream: string): boolean;
  /** A target of the upstream is there that health checks do not hold to be ill. */
  takesTraffic(service: string, upstream: string): boolean;
  /** Target URLs of an upstream. */
  targets(service: string, upstream: string): readonly string[];
  /** How the `https:` and `h2:` targets of a service are spoken to. */
  tls(service: string): TargetTls;
  /** Whom guards may ask, as the configuration has them now. */
  connections(): Connections;
}

export interface RolloutUpdate {
  readonly rollout: Rollout;
  /** What the reducer was told to come to this: for the journal. Absent for what is no transition, like a new rollout. */
  readonly input?: RolloutInput;
  readonly changes: readonly RoutingChange[];
  readonly events: readonly Omit<NewEvent, 'service' | 'at'>[];
}

/** With the rollout as it was before, all that `transition` goes by; as plain JSON. */
export interface RolloutInput {
  readonly event: { readonly type: string };
  /** ms since the Unix epoch. */
  readonly at: number;
}

/** Changes of desired state that belong to a transition; each is idempotent. */
export type RoutingChange =
  /** Upstreams that it does not name get weight 0. */
  | { readonly kind: 'weights'; readonly weights: Readonly<Record<string, number>> }
  | { readonly kind: 'stable'; readonly upstream: string }
  /** No request at all, pinned or not; pins are broken. */
  | { readonly kind: 'drain'; readonly upstream: string }
  /** Stays as it is for this long, and then drains, unless it was given traffic meanwhile. */
  | { readonly kind: 'warm'; readonly upstream: string; readonly keepMs: number }
  | { readonly kind: 'enable'; readonly upstream: string };
