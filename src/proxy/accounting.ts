import { fineBucket } from '../traffic/latency.ts';
import {
  DURATION_BOUNDS_S,
  HISTOGRAM_CELLS,
  methodCodeCell,
  OUTCOMES,
  type Outcome,
  OVERHEAD_BOUNDS_S,
  SERVICE,
  UPSTREAM,
} from '../traffic/ledger.ts';

const OUTCOME_CELL = Object.fromEntries(OUTCOMES.map((outcome, i) => [outcome, SERVICE.outcomes + i])) as Readonly<
  Record<Outcome, number>
>; // every key of OUTCOMES is set
const SUM_CELL = HISTOGRAM_CELLS - 1;

/** A request was accepted; exactly one `countOutcome` follows. */
export function countAccepted(service: Float64Array): void {
  service[SERVICE.accepted] = (service[SERVICE.accepted] as number) + 1;
}

export function countOutcome(service: Float64Array, outcome: Outcome): void {
  add(service, OUTCOME_CELL[outcome], 1);
}

export function add(block: Float64Array, cell: number, change: number): void {
  block[cell] = (block[cell] as number) + change;
}

/** An answered request on the books of the upstream that answered it. `method`: index into METHODS. Times in ms. */
export function countAnswered(
  upstream: Float64Array,
  method: number,
  status: number,
  durationMs: number,
  upstreamMs: number,
): void {
  add(upstream, UPSTREAM.requests, 1);
  add(upstream, methodCodeCell(method, status), 1);
  observe(upstream, UPSTREAM.requestDuration, DURATION_BOUNDS_S, durationMs / 1000);
  observe(upstream, UPSTREAM.upstreamDuration, DURATION_BOUNDS_S, upstreamMs / 1000);
  observe(upstream, UPSTREAM.overhead, OVERHEAD_BOUNDS_S, (durationMs - upstreamMs) / 1000);
  add(upstream, UPSTREAM.fine + fineBucket(durationMs * 1000), 1);
}

function observe(block: Float64Array, at: number, bounds: readonly number[], seconds: number): void {
  let i = 0;
  while (i < bounds.length && seconds > (bounds[i] as number)) i++;
  add(block, at + i, 1);
  add(block, at + SUM_CELL, seconds);
}
