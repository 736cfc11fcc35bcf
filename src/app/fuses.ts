import type { RolloutPlan } from '../config/config.ts';
import { type AbsoluteErrorRateGuard, guardsOf } from '../config/guards/guard.ts';
import { countsAll } from '../rollout/guards/rule.ts';
import type { Phase, Rollout } from '../rollout/rollout.ts';
import type { Fuse } from '../traffic/snapshot.ts';

/** The brakes that are armed in the workers, one for each service whose candidate is under judgement. */
export interface Fuses {
  /** The fuse for a rollout as it stands; a new one for each rollout and stage, null while nothing is guarded. */
  of(rollout: Rollout): Fuse | null;
  /** A worker's blew. Another fuse than the armed is passed over. */
  blew(service: string, fuseId: number): void;
  /** All evidence was looked at since: where one had blown, the next `of` arms a new one. True where that is so. */
  looked(service: string): boolean;
}

interface Armed {
  readonly key: string;
  readonly fuse: Fuse;
  blown: boolean;
}

/** Phases in which the candidate may have traffic and is judged; not at a gate before the first stage. */
const ARMED: ReadonlySet<Phase> = new Set(['progressing', 'paused', 'returning']);

export type FuseLimits = (guard: AbsoluteErrorRateGuard) => readonly number[];

export function createFuses(limits: FuseLimits): Fuses {
  const armed = new Map<string, Armed>();
  let lastId = 0;
  return {
    of({ id, service, position, plan }) {
      if (!ARMED.has(position.phase) || !('stage' in position)) return null;
      if (position.phase === 'paused' && position.unbegun === true) return null;
      const guards = braking(plan, position.stage);
      if (guards.length === 0) return null;
      const key = `${id}/${position.stage}`;
      const before = armed.get(service);
      if (before?.key === key) return before.fuse;
      const fuse = { id: ++lastId, limits: strictest(guards.map((guard) => limits(guard))) };
      armed.set(service, { key, fuse, blown: false });
      return fuse;
    },
    blew(service, fuseId) {
      const one = armed.get(service);
      if (one?.fuse.id === fuseId) one.blown = true;
    },
    looked(service) {
      return armed.get(service)?.blown === true && armed.delete(service);
    },
  };
}

/** Guards that every attempt on the candidate counts for, so that a worker can tell by itself when they must fail. */
function braking(plan: RolloutPlan, stage: number): readonly AbsoluteErrorRateGuard[] {
  return guardsOf(plan, stage).filter(
    (guard): guard is AbsoluteErrorRateGuard =>
      guard.kind === 'errorRate' && guard.versus === undefined && guard.dryRun !== true && countsAll(guard),
  );
}

/** What any of them would stop at. */
function strictest(tables: readonly (readonly number[])[]): readonly number[] {
  const [first = [], ...others] = tables;
  return first.map((limit, i) => others.reduce((least, table) => Math.min(least, table[i] ?? least), limit));
}
