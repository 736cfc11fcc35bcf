import { type Guard, guardsOf } from '../../config/guards/guard.ts';
import { addCounts, isNothing } from '../counts.ts';
import type { RolloutUpdate } from '../ports.ts';
import type { Tick } from '../progress.ts';
import type { GuardEvidence, Rollout } from '../rollout.ts';
import { ITSELF, stageOf } from '../step.ts';
import type { GuardInput } from './kind.ts';
import { ruleOf } from './table.ts';

/** Lets each guard in force take in what was seen since and judge anew; tells of verdicts that changed. */
export function judge(
  rollout: Rollout,
  seen: Tick,
): { readonly rollout: Rollout; readonly events: RolloutUpdate['events'] } {
  const inForce = guardsOf(rollout.plan, stageOf(rollout));
  const judgedBefore = inForce.every(({ name }) => rollout.guards.some(({ guard }) => guard === name));
  if (judgedBefore && isStill(seen)) return { rollout, events: [] };
  const guardStates: Record<string, unknown> = {};
  const guards = inForce.map((guard): GuardEvidence => {
    const { begin, advance, judge: conclude } = ruleOf(guard.kind);
    const state = advance(own(rollout.guardStates, guard.name) ?? begin(guard), guard, inputOf(guard, seen));
    guardStates[guard.name] = state;
    return conclude(guard, state);
  });
  const counts = {
    candidate: addCounts(rollout.counts.candidate, seen.candidate),
    stable: addCounts(rollout.counts.stable, seen.stable),
  };
  return { rollout: { ...rollout, counts, guards, guardStates }, events: verdictEvents(rollout, guards) };
}

/**
 * The rollout as it enters the stage of its position, coming from another: a guard that is there with the very same
 * settings goes on with what it has seen, any other begins anew.
 */
export function enterStage(rollout: Rollout, before: number): Rollout {
  const kept = new Set(
    guardsOf(rollout.plan, stageOf(rollout)).flatMap((guard) =>
      isIn(guardsOf(rollout.plan, before), guard) ? guard.name : [],
    ),
  );
  const states = Object.entries(rollout.guardStates).filter(([name]) => kept.has(name));
  const guards = rollout.guards.filter(({ guard }) => kept.has(guard));
  if (guards.length === rollout.guards.length && states.length === Object.keys(rollout.guardStates).length)
    return rollout;
  return { ...rollout, guards, guardStates: Object.fromEntries(states) };
}

/** Guards are plain data, made with their keys in the same order. */
function isIn(guards: readonly Guard[], guard: Guard): boolean {
  const printed = JSON.stringify(guard);
  return guards.some((other) => JSON.stringify(other) === printed);
}

function isStill({ candidate, stable, observations }: Tick): boolean {
  return isNothing(candidate) && isNothing(stable) && observations === undefined;
}

function inputOf({ name }: Guard, { candidate, stable, closes, observations }: Tick): GuardInput {
  const observation = own(observations ?? {}, name);
  return { candidate, stable, closes: closes === true, ...(observation === undefined ? {} : { observation }) };
}

/** Not what an object inherits, for a guard called `constructor`. */
function own(map: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}

function verdictEvents(before: Rollout, guards: readonly GuardEvidence[]): RolloutUpdate['events'] {
  return guards.flatMap((evidence) => {
    const earlier = before.guards.find((guard) => guard.guard === evidence.guard)?.verdict ?? 'inconclusive';
    if (earlier === evidence.verdict) return [];
    return [{ type: 'rollout.verdict', actor: ITSELF, data: { rollout: before.id, evidence } }];
  });
}
