import { NO_COUNTS, plus } from '../../rollout/counts.ts';
import type { Counts } from '../../rollout/rollout.ts';
import { LATENCY_BUCKETS, readBlock, readCell, SLOT, SLOTS, UPSTREAM } from '../../traffic/ledger.ts';
import type { CountingRule } from '../../traffic/snapshot.ts';
import type { UpstreamEntry } from '../registry.ts';

/** All judged attempts on an upstream, by its ledger block. */
export function upstreamCounts(ledger: SharedArrayBuffer): Counts {
  // Trials last: what is counted between the readings may add a trial, but nothing without its trial.
  const errors = readCell(ledger, UPSTREAM.size, UPSTREAM.errors);
  return { errors, trials: readCell(ledger, UPSTREAM.size, UPSTREAM.trials) };
}

/** What each slot of a block of slots has counted. */
export function slotCounts(block: SharedArrayBuffer): readonly Counts[] {
  const cells = readBlock(block, SLOTS * SLOT.size);
  return Array.from({ length: SLOTS }, (_, slot) => countsAt(cells, slot * SLOT.size));
}

/** What the slots of an upstream have counted, with what was reported to the admin API of the events they are about. */
export function countsByRules({ slots, reported }: UpstreamEntry, rules: readonly CountingRule[]): readonly Counts[] {
  const counted = slots === null ? [] : slotCounts(slots);
  return rules.map(({ event }, i) => {
    const counts = counted[i] ?? NO_COUNTS;
    const report = event === null ? undefined : reported.get(event);
    if (report === undefined) return counts;
    return plus(counts, { trials: report.of, errors: 0, events: report.count });
  });
}

function countsAt(cells: Float64Array, at: number): Counts {
  const cell = (index: number): number => cells[at + index] ?? 0;
  const buckets: Record<string, number> = {};
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
    const count = cell(SLOT.buckets + bucket);
    if (count > 0) buckets[bucket] = count;
  }
  return {
    trials: cell(SLOT.trials),
    errors: cell(SLOT.errors),
    slow: cell(SLOT.slow),
    events: cell(SLOT.events),
    buckets,
  };
}
