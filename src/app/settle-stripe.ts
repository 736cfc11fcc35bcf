import { OUTCOMES, SERVICE, stripe, TARGET, UPSTREAM } from '../traffic/ledger.ts';
import type { Registry } from './registry.ts';

/** Cells that say how things are now, not how often something happened. */
const UPSTREAM_STATE = [UPSTREAM.inFlight, UPSTREAM.upgrades, UPSTREAM.pins, UPSTREAM.queued];
const TARGET_STATE = [TARGET.inFlight, TARGET.upgrades, TARGET.connections, TARGET.streak];
const LOST = SERVICE.outcomes + OUTCOMES.indexOf('lost');

/**
 * Closes the books of a worker that died: what it had accepted and not answered is lost, and nothing of it is in flight
 * any more. The stripe has no writer now, so the counts stay true for the worker that takes its place.
 */
export function settleStripe(registry: Registry, unrouted: SharedArrayBuffer, worker: number): void {
  settleRequests(stripe(unrouted, SERVICE.size, worker));
  for (const service of registry.services()) {
    settleRequests(stripe(service.ledger, SERVICE.size, worker));
    for (const upstream of service.upstreams.values()) {
      zero(stripe(upstream.ledger, UPSTREAM.size, worker), UPSTREAM_STATE);
      for (const target of upstream.targets.values()) {
        zero(stripe(target.ledger, TARGET.size, worker), TARGET_STATE);
      }
    }
  }
}

function settleRequests(cells: Float64Array): void {
  let ended = 0;
  for (let i = 0; i < OUTCOMES.length; i++) ended += cells[SERVICE.outcomes + i] ?? 0;
  cells[LOST] = (cells[LOST] ?? 0) + (cells[SERVICE.accepted] ?? 0) - ended;
}

function zero(cells: Float64Array, indexes: readonly number[]): void {
  for (const index of indexes) cells[index] = 0;
}
