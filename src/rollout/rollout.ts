import type { RolloutPlan } from '../config/config.ts';
import type { GuardEvidence } from './evidence.ts';
import type { PolledState } from './guards/polled.ts';

export const PHASES = [
  'pending',
  'checking',
  'progressing',
  'paused',
  'returning',
  'promoting',
  'draining',
  'promoted',
  'aborted',
  'rolled_back',
  'failed',
] as const;
export type Phase = (typeof PHASES)[number];

/** Phases that a rollout never leaves. */
export const ENDED: ReadonlySet<Phase> = new Set(['promoted', 'aborted', 'rolled_back', 'failed']);

/** Attempts that a guard counts: client aborts left out; errors are 5xx, failed connections, timeouts, resets. */
export interface Counts {
  readonly trials: number;
  readonly errors: number;
  /** Those that took longer than a latency guard allows; only where something is held against it. So with the others. */
  readonly slow?: number;
  /** Those that reported the event of a business guard. */
  readonly events?: number;
  /** By latency: bucket (see traffic/ledger.ts `SLOT`) to count; empty ones left out. */
  readonly buckets?: Readonly<Record<string, number>>;
}

/** Stable's attempts in a stretch of time before the rollout, all of them and by slot (see guards/counting.ts). */
export interface Baseline {
  readonly all: Counts;
  /** Empty where the same rules have not counted all the time. */
  readonly slots: readonly Counts[];
}

/** What both sides did in the same time. */
export interface Sides {
  readonly candidate: Counts;
  readonly stable: Counts;
}

/** How a target of the candidate answered a smoke request. */
export interface SmokeResult {
  /** As configured, e.g. `http://127.0.0.1:4001`. */
  readonly target: string;
  readonly method: string;
  readonly path: string;
  readonly ok: boolean;
  /** null when there was no answer. */
  readonly status: number | null;
  readonly durationMs: number;
  /** What went wrong, with the first 200 bytes of the body; empty when it passed. */
  readonly detail: string;
}

export interface Transition {
  readonly at: number; // ms since the Unix epoch
  readonly from: Phase;
  readonly to: Phase;
  readonly stage: number;
  readonly reason: string;
  readonly actor: string;
  readonly evidence: readonly GuardEvidence[];
  /** All attempts by then, and the version of the rules that decided; absent in what earlier versions stored. */
  readonly counts?: Sides;
  readonly rules?: number;
}

/** One rollout, serialisable as it is. What only some phases have lives in `position`. */
export interface Rollout {
  /** `r` and a base-36 time and counter: unique in the store. */
  readonly id: string;
  readonly service: string;
  /** The stable upstream's name when it started. */
  readonly from: string;
  /** The candidate's. */
  readonly to: string;
  readonly plan: RolloutPlan;
  readonly actor: string;
  readonly startedAt: number;
  readonly position: Position;
  /** Since the rollout began, over restarts of the proxy. */
  readonly counts: Sides;
  /** The same as far as the rules of single guards count it, by slot (see guards/counting.ts); absent: nothing yet. */
  readonly slots?: readonly Sides[];
  /** What stable did before; present where a guard compares with it. */
  readonly baseline?: Baseline;
  /** Evidence as last computed, of the guards in force. */
  readonly guards: readonly GuardEvidence[];
  /**
   * What each guard in force keeps between looks, by name: plain JSON that only its kind reads. It follows from the
   * ticks alone, so that the same ticks give the same digits. A guard that a stage adds or changes begins anew there.
   */
  readonly guardStates: Readonly<Record<string, unknown>>;
  readonly transitions: readonly Transition[];
  /** Answers of the last smoke check; absent before it. */
  readonly smoke?: readonly SmokeResult[];
  /** Present where several services are released as one. */
  readonly group?: RolloutGroup;
}

/** What rollouts that go together have in common. */
export interface RolloutGroup {
  /** As it is configured. */
  readonly name: string;
  /** `g` and the id of the first member's rollout. */
  readonly id: string;
  /** The services, in their order. */
  readonly services: readonly string[];
}

export type Position =
  | { readonly phase: 'pending' }
  | ({ readonly phase: 'checking' } & Waited)
  | ({ readonly phase: 'progressing' } & Held)
  /** Weights stay as they were. `reason` says what for, and so what `resume` does. */
  | ({
      readonly phase: 'paused';
      readonly reason: string;
      readonly sinceAt: number;
      /** At a gate before the first stage: `stage` has not begun, and the candidate has no weight. */
      readonly unbegun?: true;
      /** At a gate that asks a webhook: what it answered; absent before the first question. */
      readonly gate?: PolledState;
    } & Held &
      Waited)
  | ({ readonly phase: 'returning' } & Return)
  | { readonly phase: 'promoting'; readonly stage: number }
  | ({ readonly phase: 'draining'; readonly stage: number; readonly sinceAt: number } & Waited)
  | {
      readonly phase: 'promoted' | 'aborted' | 'rolled_back' | 'failed';
      readonly stage: number;
      readonly reason: string;
      readonly endedAt: number;
    };

/** How far a stage has come. */
export interface Held {
  /** From 0. */
  readonly stage: number;
  /** How long it has been held; time while the proxy was down does not count. */
  readonly heldMs: number;
  /** Trials of the candidate before it; present where the plan asks for requests in the stage. */
  readonly trialsBefore?: number;
  /** `heldMs` when all but a verdict was there; present while the stage is extended, and after. */
  readonly extendedFromMs?: number;
}

/** How far the stage has come that a rollout is or was held in, without what belongs to its phase. */
export function heldOf({ stage, heldMs, trialsBefore, extendedFromMs }: Held): Held {
  return {
    stage,
    heldMs,
    ...(trialsBefore === undefined ? {} : { trialsBefore }),
    ...(extendedFromMs === undefined ? {} : { extendedFromMs }),
  };
}

/** The same of a rollout that goes on being paused, for another reason: a stage that has not begun still has not. */
export function stillHeldOf(position: Extract<Position, { phase: 'progressing' | 'paused' }>): Held & {
  readonly unbegun?: true;
} {
  const isUnbegun = position.phase === 'paused' && position.unbegun === true;
  return { ...heldOf(position), ...(isUnbegun ? { unbegun: true } : {}) };
}

/** How long a rollout has waited in a phase, without the time while the proxy was down; absent without a deadline. */
export interface Waited {
  readonly waitedMs?: number;
}

/** The decision against the candidate has been made, and its weight returns to stable step by step. */
export interface Return {
  readonly stage: number;
  /** Of the candidate, now and when the return began. */
  readonly weight: number;
  readonly fromWeight: number;
  /** How long it has returned; time while the proxy was down does not count. */
  readonly returnedMs: number;
  /** Where it leads, why, and who wanted it. */
  readonly end: 'aborted' | 'rolled_back';
  readonly reason: string;
  readonly actor: string;
  readonly sinceAt: number;
}

/** The attempts on the candidate that its stage has seen, and those that it needs; null where it needs none. */
export function stageRequests({ position, plan, counts }: Rollout): { seen: number; needed: number } | null {
  if (position.phase !== 'progressing' && position.phase !== 'paused') return null;
  const needed = plan.stages[position.stage]?.minRequests;
  return needed === undefined ? null : { seen: counts.candidate.trials - (position.trialsBefore ?? 0), needed };
}

/** The share of stable's requests that the candidate gets copies of now; null for none. */
export function mirrorShare({ position, plan }: Rollout): number | null {
  const isMirroring =
    position.phase === 'progressing' ||
    (position.phase === 'paused' && position.unbegun !== true && position.reason !== 'shadowed');
  return (isMirroring ? plan.stages[position.stage]?.mirror : undefined) ?? null;
}

/** The candidate's share of new traffic while its rollout is under way. */
export function candidateWeight({ position, plan }: Rollout): number {
  switch (position.phase) {
    case 'progressing':
      return plan.stages[position.stage]?.weight ?? 0;
    case 'paused':
      return position.unbegun === true ? 0 : (plan.stages[position.stage]?.weight ?? 0);
    case 'returning':
      return position.weight;
    case 'promoting':
    case 'draining':
    case 'promoted':
      return 100;
    default:
      return 0;
  }
}
