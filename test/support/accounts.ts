import { OUTCOMES, type Outcome, readBlock, readCell, SERVICE, TARGET, UPSTREAM } from '../../src/traffic/ledger.ts';
import type { ServiceRoute, TargetRoute, UpstreamRoute } from '../../src/traffic/snapshot.ts';

/** A service's account: requests accepted and how they ended. */
export interface Account {
  readonly accepted: number;
  /** Classes that occurred, with their counts. */
  readonly outcomes: Readonly<Partial<Record<Outcome, number>>>;
  /** Sum over all classes. */
  readonly ended: number;
}

/** Reads a service block (or the block of what never reached a service). */
export function readAccount(block: SharedArrayBuffer): Account {
  const cells = readBlock(block, SERVICE.size);
  const outcomes: Partial<Record<Outcome, number>> = {};
  let ended = 0;
  OUTCOMES.forEach((outcome, i) => {
    const count = cells[SERVICE.outcomes + i] ?? 0;
    if (count !== 0) outcomes[outcome] = count;
    ended += count;
  });
  return { accepted: cells[SERVICE.accepted] ?? 0, outcomes, ended };
}

/** The difference of two readings of one block. */
export function accountSince(now: Account, before: Account): Account {
  const outcomes: Partial<Record<Outcome, number>> = {};
  for (const outcome of OUTCOMES) {
    const count = (now.outcomes[outcome] ?? 0) - (before.outcomes[outcome] ?? 0);
    if (count !== 0) outcomes[outcome] = count;
  }
  return { accepted: now.accepted - before.accepted, outcomes, ended: now.ended - before.ended };
}

/** The gauges of a service and all below it; at rest every one is zero, open idle connections apart. */
export interface Gauges {
  readonly inFlight: number;
  readonly upgrades: number;
  /** Open connections to targets. */
  readonly connections: number;
}

export function readGauges(service: ServiceRoute): Gauges {
  const targets = service.upstreams.flatMap((upstream) => upstream.targets);
  const ofUpstreams = (cell: number): number => total(service.upstreams, UPSTREAM.size, cell);
  const ofTargets = (cell: number): number => total(targets, TARGET.size, cell);
  return {
    inFlight: ofUpstreams(UPSTREAM.inFlight) + ofTargets(TARGET.inFlight),
    upgrades: ofUpstreams(UPSTREAM.upgrades) + ofTargets(TARGET.upgrades),
    connections: ofTargets(TARGET.connections),
  };
}

function total(routes: readonly (UpstreamRoute | TargetRoute)[], size: number, cell: number): number {
  return routes.reduce((sum, route) => sum + readCell(route.ledger, size, cell), 0);
}

/** What a guard would judge of an upstream, and the attempts and failures of its targets. */
export interface Trials {
  readonly requests: number;
  readonly trials: number;
  readonly errors: number;
  readonly retries: number;
  readonly shielded: number;
}

export function readTrials(upstream: UpstreamRoute): Trials {
  const cell = (index: number): number => readCell(upstream.ledger, UPSTREAM.size, index);
  return {
    requests: cell(UPSTREAM.requests),
    trials: cell(UPSTREAM.trials),
    errors: cell(UPSTREAM.errors),
    retries: cell(UPSTREAM.retries),
    shielded: cell(UPSTREAM.shielded),
  };
}

export function readTarget(target: TargetRoute): {
  readonly attempts: number;
  readonly failures: number;
  readonly connections: number;
} {
  const cell = (index: number): number => readCell(target.ledger, TARGET.size, index);
  return { attempts: cell(TARGET.attempts), failures: cell(TARGET.failures), connections: cell(TARGET.connections) };
}
