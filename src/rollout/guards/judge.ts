import { type Guard, guardsOf } from '../../config/guards/guard.ts';
import { addSides, isNothing, NO_SIDES } from '../counts.ts';
import type { GuardEvidence } from '../evidence.ts';
import type { RolloutUpdate } from '../ports.ts';
import type { Tick } from '../progress.ts';
import type { Rollout } from '../rollout.ts';
import { ITSELF, stageOf } from '../step.ts';
import { slotOf } from './counting.ts';
import type { GuardInput } from './kind.ts';
import { ruleOf } from './table.ts';

/** Lets each guard in force take in what was seen since and judge anew; tells of verdicts that changed. */
export function judge(
  rollout: Rollout,
  seen: Tick,
): { readonly rollout: Rollout; readonly events: RolloutUpdate['events'] } {
  const inForce = guardsOf(rollout.plan, stageOf(rollout));
  const judgedBefore = inForce.every(({ name }) => rollout.guards.some(({ guard }) => guard === name));
  const hasNothingNew = judgedBefore && isStill(seen);
  if (hasNothingNew && seen.closes !== true) return { rollout, events: [] };
  const guardStates: Record<string, unknown> = {};
  const guards = inForce.map((guard): GuardEvidence => {
    const { begin, advance, judge: conclude } = ruleOf(guard);
    const state = advance(own(rollout.guardStates, guard.name) ?? begin(guard), guard, inputOf(rollout, guard, seen));
    guardStates[guard.name] = state;
    return conclude(guard, state);
  });
  // A stretch of time may end in which something was seen before.
  if (hasNothingNew && isSame(guardStates, rollout.guardStates)) return { rollout, events: [] };
  const judged = { ...counted(rollout, seen), guards, guardStates };
  return { rollout: judged, events: verdictEvents(rollout, guards) };
}

/** Takes in what was seen without a guard that goes by it. */
export function countOnly(rollout: Rollout, seen: Tick): ReturnType<typeof judge> {
  return { rollout: isStill(seen) ? rollout : counted(rollout, seen), events: [] };
}

function counted(rollout: Rollout, seen: Tick): Rollout {
  const counts = addSides(rollout.counts, seen);
  const slots = seen.slots?.map((sides, i) => addSides(rollout.slots?.[i] ?? NO_SIDES, sides));
  return { ...rollout, counts, ...(slots === undefined ? {} : { slots }) };
}

/**
 * The rollout as it enters the stage of its position, coming from another: a guard that is there with the very same
 * settings goes on with what it has seen, any other begins anew. The split is another from here on.
 */
export function enterStage(rollout: Rollout, before: number): Rollout {
  const kept = new Set(
    guardsOf(rollout.plan, stageOf(rollout)).flatMap((guard) =>
      isIn(guardsOf(rollout.plan, before), guard) ? guard.name : [],
    ),
  );
  const states = guardsOf(rollout.plan, stageOf(rollout)).flatMap((guard): [string, unknown][] => {
    const state = kept.has(guard.name) ? own(rollout.guardStates, guard.name) : undefined;
    return state === undefined ? [] : [[guard.name, ruleOf(guard).turn?.(state, guard) ?? state]];
  });
  const guards = rollout.guards.filter(({ guard }) => kept.has(guard));
  return { ...rollout, guards, guardStates: Object.fromEntries(states) };
}

/** States are plain data, each made with its keys in the same order. */
function isSame(a: Rollout['guardStates'], b: Rollout['guardStates']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Guards are plain data, made with their keys in the same order. */
function isIn(guards: readonly Guard[], guard: Guard): boolean {
  const printed = JSON.stringify(guard);
  return guards.some((other) => JSON.stringify(other) === printed);
}

function isStill({ slots = [], observations, ...all }: Tick): boolean {
  return (
    [all, ...slots].every(({ candidate, stable }) => isNothing(candidate) && isNothing(stable)) &&
    observations === undefined
  );
}

function inputOf({ plan, baseline }: Rollout, guard: Guard, { closes, observations, slots, ...all }: Tick): GuardInput {
  const observation = own(observations ?? {}, guard.name);
  const slot = slotOf(plan, guard);
  const { candidate, stable } = slot === null ? all : (slots?.[slot] ?? NO_SIDES);
  const before = slot === null ? baseline?.all : baseline?.slots[slot];
  return {
    candidate,
    stable,
    closes: closes === true,
    ...(before === undefined ? {} : { baseline: before }),
    ...(observation === undefined ? {} : { observation }),
  };
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
