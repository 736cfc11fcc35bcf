import type { Clock } from '../platform/clock.ts';
import { minus, NO_COUNTS, NO_SIDES, plus } from './counts.ts';
import { countingRules } from './guards/counting.ts';
import type { RolloutPorts } from './ports.ts';
import type { Tick } from './progress.ts';
import type { Counts, Rollout, Sides } from './rollout.ts';

/**
 * Turns the process's counters and clock into what a rollout has not yet seen.
 *
 * What it hands out is always the difference between a running total and what the rollout already carries, never "since
 * the last call": so a commit that failed loses nothing, and one that succeeded without our learning of it counts
 * nothing twice.
 */
export class Meter {
  readonly #ports: Pick<RolloutPorts, 'counts' | 'slots'>;
  readonly #clock: Clock;
  readonly #counted = new Map<string, CountAnchor>();
  readonly #held = new Map<string, HoldAnchor>();

  constructor(ports: Pick<RolloutPorts, 'counts' | 'slots'>, clock: Clock) {
    this.#ports = ports;
    this.#clock = clock;
  }

  /** The candidate is about to get traffic: what its upstream counted before is not this rollout's. */
  begin(rollout: Rollout): void {
    this.#anchorCounts(rollout, this.#ledger(rollout));
  }

  /** The process began with this rollout under way, so everything its counters hold belongs to it. */
  adopt(rollout: Rollout): void {
    this.#anchorCounts(rollout, { all: NO_SIDES, slots: [] });
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
      ...unseen(anchor.carried.all, now.all, anchor.ledger.all, rollout.counts),
      ...(now.slots.length === 0 ? {} : { slots: unseenSlots(rollout, anchor, now) }),
    };
  }

  forget(service: string): void {
    this.#counted.delete(service);
    this.#held.delete(service);
  }

  #anchorCounts(rollout: Rollout, ledger: Reading): CountAnchor {
    const anchor = { rollout: rollout.id, ledger, carried: { all: rollout.counts, slots: rollout.slots ?? [] } };
    this.#counted.set(rollout.service, anchor);
    return anchor;
  }

  #ledger({ service, from, to, plan }: Rollout): Reading {
    const rules = countingRules(plan);
    const all = { candidate: this.#ports.counts(service, to), stable: this.#ports.counts(service, from) };
    if (rules.length === 0) return { all, slots: [] };
    const [candidate, stable] = [this.#ports.slots(service, to, rules), this.#ports.slots(service, from, rules)];
    const slots = candidate.map((counts, i) => ({ candidate: counts, stable: stable[i] ?? NO_COUNTS }));
    return { all, slots };
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

/** All attempts, and those of each slot. */
interface Reading {
  readonly all: Sides;
  readonly slots: readonly Sides[];
}

interface CountAnchor {
  readonly rollout: string;
  /** Counters of the process when the rollout carried `carried`. */
  readonly ledger: Reading;
  readonly carried: Reading;
}

interface HoldAnchor {
  readonly period: string;
  readonly heldMs: number;
  readonly atMs: number;
}

/** An upstream that was removed and added again counts from zero. */
function isReset(before: Reading, now: Reading): boolean {
  return now.all.candidate.trials < before.all.candidate.trials || now.all.stable.trials < before.all.stable.trials;
}

function unseen(carried: Sides, now: Sides, before: Sides, seen: Sides): Sides {
  const side = (of: keyof Sides): Counts => minus(plus(carried[of], minus(now[of], before[of])), seen[of]);
  return { candidate: side('candidate'), stable: side('stable') };
}

function unseenSlots(rollout: Rollout, { carried, ledger }: CountAnchor, { slots }: Reading): readonly Sides[] {
  const at = (sides: readonly Sides[] | undefined, i: number): Sides => sides?.[i] ?? NO_SIDES;
  return slots.map((now, i) => unseen(at(carried.slots, i), now, at(ledger.slots, i), at(rollout.slots, i)));
}
