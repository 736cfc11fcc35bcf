import type { Counts } from '../../rollout/rollout.ts';
import { LATENCY_BUCKETS, readBlock, readCell, SLOT, SLOTS, UPSTREAM } from '../../traffic/ledger.ts';

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
