import { OUTCOMES, type Outcome, readBlock, SERVICE } from '../../traffic/ledger.ts';
import type { LedgerView } from '../control-plane.ts';

/** A service's block as people read it. */
export function readLedger(block: SharedArrayBuffer): LedgerView {
  const cells = readBlock(block, SERVICE.size);
  const accepted = cells[SERVICE.accepted] ?? 0;
  let ended = 0;
  const outcomes = OUTCOMES.map((name, i): [Outcome, number] => {
    const count = cells[SERVICE.outcomes + i] ?? 0;
    ended += count;
    return [name, count];
  });
  // Workers go on counting while this reads, so more may have ended than had been accepted when the reading began.
  const inFlight = Math.max(0, accepted - ended);
  return { accepted, inFlight, outcomes: Object.fromEntries(outcomes) as Record<Outcome, number> };
}

/** Requests of a service that have been accepted and not ended. */
export function serviceInFlight(block: SharedArrayBuffer): number {
  return readLedger(block).inFlight;
}
