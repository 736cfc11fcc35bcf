import { EDGES } from './edges.ts';
import type { RolloutUpdate, RoutingChange } from './ports.ts';
import type { Phase, Position, Rollout } from './rollout.ts';
import { RULES } from './rules.ts';

/** What `transition` returns. `rollout` is the very object that was given when nothing happened. */
export interface Step extends RolloutUpdate {
  /** What is owed in the phase that was reached. The runner performs it again after a crash; each is idempotent. */
  readonly effects: readonly Effect[];
}

export type Effect =
  /** Begin: tell the reducer `start`. */
  | { readonly kind: 'start' }
  /** Send the smoke requests and report `smoke_passed` or `smoke_failed`. */
  | { readonly kind: 'smoke' }
  /** Look at counts and clock, again and again: `tick`. */
  | { readonly kind: 'watch' }
  /** Report `switched` once every worker serves the promoted weights. */
  | { readonly kind: 'confirm_switch' }
  /** Report `drained` once nothing is left on the upstream. */
  | { readonly kind: 'await_drain'; readonly upstream: string };

/** Why a transition happened; a closed set, since metrics carry it as a label. */
export type Reason =
  | 'started'
  | 'smoke_passed'
  | 'smoke'
  | 'held'
  | 'shadowed'
  | 'gate'
  | 'gate_open'
  | 'gate_refused'
  | 'error_rate'
  | 'latency'
  | 'collateral'
  | 'business'
  | 'compare'
  | 'metric'
  | 'webhook'
  | 'inconclusive'
  | 'conclusive'
  | 'no_traffic'
  | 'deadline'
  | 'group'
  | 'operator'
  | 'switched'
  | 'drained';

export interface Cause {
  readonly reason: Reason;
  readonly actor: string;
  readonly at: number;
}

/** Who acts when nobody asked for it. */
export const ITSELF = 'tealgate';

/** What is owed in a phase: it follows from the rollout alone, so a restarted runner knows it too. */
export function effectsOf({ position, from }: Rollout): readonly Effect[] {
  switch (position.phase) {
    case 'pending':
      return [{ kind: 'start' }];
    case 'checking':
      return [{ kind: 'smoke' }];
    case 'progressing':
    case 'paused':
    case 'returning':
      return [{ kind: 'watch' }];
    case 'promoting':
      return [{ kind: 'confirm_switch' }];
    case 'draining':
      return [{ kind: 'await_drain', upstream: from }];
    case 'promoted':
    case 'aborted':
    case 'rolled_back':
    case 'failed':
      return [];
  }
}

/** Nothing to change: the call came twice, or too late. */
export function unchanged(rollout: Rollout): Step {
  return { rollout, changes: [], events: [], effects: effectsOf(rollout) };
}

/** Progress within a phase: no transition. */
export function within(rollout: Rollout, events: RolloutUpdate['events'] = []): Step {
  return { rollout, changes: [], events, effects: effectsOf(rollout) };
}

/** Takes the rollout along an edge, with its record in `transitions` and its event. */
export function move(rollout: Rollout, to: Position, cause: Cause, changes: readonly RoutingChange[]): Step {
  const from = rollout.position.phase;
  // A bug, not a caller's mistake: every path that leads here is written down in EDGES.
  if (!EDGES[from].includes(to.phase)) throw new Error(`a rollout cannot go from ${from} to ${to.phase}`);
  const { at, reason, actor } = cause;
  const stage = 'stage' in to ? to.stage : 0;
  const { guards: evidence, counts } = rollout;
  const transition = { at, from, to: to.phase, stage, reason, actor, evidence, counts, rules: RULES };
  const moved: Rollout = { ...rollout, position: to, transitions: [...rollout.transitions, transition] };
  const data = {
    rollout: rollout.id,
    from: rollout.from,
    to: rollout.to,
    phase: to.phase,
    reason,
    transition: moved.transitions.length,
  };
  const event = { type: eventType(from, to.phase), actor, data: { ...data, ...placeOf(moved), evidence } };
  return { rollout: moved, changes, events: [event], effects: effectsOf(moved) };
}

/** The stage a rollout is in, or was in last. */
export function stageOf({ position }: Rollout): number {
  return 'stage' in position ? position.stage : 0;
}

/** All traffic on stable, none on the candidate. */
export function stableWeights({ from, to }: Rollout): RoutingChange {
  return { kind: 'weights', weights: { [from]: 100, [to]: 0 } };
}

/** A stage's share for the candidate, the rest for stable. */
export function stageWeights({ from, to }: Rollout, weight: number): RoutingChange {
  return { kind: 'weights', weights: { [from]: 100 - weight, [to]: weight } };
}

function eventType(from: Phase, to: Phase): string {
  if (to !== 'progressing') return `rollout.${to}`;
  return from === 'paused' ? 'rollout.resumed' : 'rollout.stage';
}

function placeOf(rollout: Rollout): Readonly<Record<string, number>> {
  const { position } = rollout;
  if (!('stage' in position)) return {};
  const { stage } = position;
  const weight = weightAt(position) ?? rollout.plan.stages[stage]?.weight;
  return { stage, stages: rollout.plan.stages.length, ...(weight === undefined ? {} : { weight }) };
}

/** The candidate's weight where it is not that of the stage. */
function weightAt(position: Position): number | null {
  if (position.phase === 'returning') return position.weight;
  return position.phase === 'paused' && position.unbegun === true ? 0 : null;
}
