import type { Clock } from '../platform/clock.ts';
import { NO_COUNTS } from './counts.ts';
import type { RolloutPorts } from './ports.ts';
import type { Tick } from './progress.ts';
import type { Counts, Rollout } from './rollout.ts';

/**
 * Turns the process's counters and clock into what a rollout has not yet seen.
 *
 * What it hands out is always the difference between a running total and what the rollout already carries, never "since
 * the last call": so a commit that failed loses nothing, and one that succeeded without our learning of it counts
 * nothing twice.
 */
export class Meter {
  readonly #ports: Pick<RolloutPorts, 'counts'>;
  readonly #clock: Clock;
  readonly #counted = new Map<string, CountAnchor>();
  readonly #held = new Map<string, HoldAnchor>();

  constructor(ports: Pick<RolloutPorts, 'counts'>, clock: Clock) {
    this.#ports = ports;
    this.#clock = clock;
  }

  /** The candidate is about to get traffic: what its upstream counted before is not this rollout's. */
  begin(rollout: Rollout): void {
    this.#anchorCounts(rollout, this.#ledger(rollout));
  }

  /** The process began with this rollout under way, so everything its counters hold belongs to it. */
  adopt(rollout: Rollout): void {
    this.#anchorCounts(rollout, { candidate: NO_COUNTS, stable: NO_COUNTS });
  }

  /** What came since the counts and the hold that the rollout carries. */
  read(rollout: Rollout): Tick {
    const now = this.#ledger(rollout);
    let anchor = this.#counted.get(rollout.service);
    if (anchor?.rollout !== rollout.id || isReset(anchor.ledger, now)) {
      anchor = this.#anchorCounts(rollout, now);
    }
    return {
      elapsedMs: this.#elapsedMs(rollout),
      candidate: unseen(rollout, anchor, now, 'candidate'),
      stable: unseen(rollout, anchor, now, 'stable'),
    };
  }

  forget(service: string): void {
    this.#counted.delete(service);
    this.#held.delete(service);
  }

  #anchorCounts(rollout: Rollout, ledger: Sides): CountAnchor {
    const anchor = { rollout: rollout.id, ledger, carried: rollout.counts };
    this.#counted.set(rollout.service, anchor);
    return anchor;
  }

  #ledger({ service, from, to }: Rollout): Sides {
    return { candidate: this.#ports.counts(service, to), stable: this.#ports.counts(service, from) };
  }

  /** The first look after a transition starts the watch, so a stage is held from when it is served. */
  #elapsedMs(rollout: Rollout): number {
    const { id, service, transitions } = rollout;
    const carriedMs = timedMs(rollout);
    if (carriedMs === null) {
      this.#held.delete(service);
      return 0;
    }
    const nowMs = this.#clock.monotonicMs();
    const period = `${id}/${transitions.length}`;
    const anchor = this.#held.get(service);
    if (anchor?.period === period) return anchor.heldMs + (nowMs - anchor.atMs) - carriedMs;
    this.#held.set(service, { period, heldMs: carriedMs, atMs: nowMs });
    return 0;
  }
}

/** The time that the rollout carries in its phase; null where time does not matter. */
function timedMs({ position, plan }: Rollout): number | null {
  switch (position.phase) {
    case 'progressing':
      return position.heldMs;
    case 'returning':
      return position.returnedMs;
    case 'checking':
    case 'paused':
    case 'draining':
      return plan.deadlineMs === undefined ? null : (position.waitedMs ?? 0);
    default:
      return null;
  }
}

interface Sides {
  readonly candidate: Counts;
  readonly stable: Counts;
}

interface CountAnchor {
  readonly rollout: string;
  /** Counters of the process when the rollout carried `carried`. */
  readonly ledger: Sides;
  readonly carried: Sides;
}

interface HoldAnchor {
  readonly period: string;
  readonly heldMs: number;
  readonly atMs: number;
}

/** An upstream that was removed and added again counts from zero. */
function isReset(before: Sides, now: Sides): boolean {
  return now.candidate.trials < before.candidate.trials || now.stable.trials < before.stable.trials;
}

function unseen({ counts }: Rollout, { ledger, carried }: CountAnchor, now: Sides, side: keyof Sides): Counts {
  return {
    trials: carried[side].trials + now[side].trials - ledger[side].trials - counts[side].trials,
    errors: carried[side].errors + now[side].errors - ledger[side].errors - counts[side].errors,
    slow: slowOf(carried[side]) + slowOf(now[side]) - slowOf(ledger[side]) - slowOf(counts[side]),
  };
}

function slowOf({ slow = 0 }: Counts): number {
  return slow;
}
