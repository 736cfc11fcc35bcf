import type { RolloutPlan } from '../config/config.ts';
import { type ErrorRateGuard, type Guard, guardsOf, type LatencyGuard } from '../config/guards/guard.ts';
import { trialsToDetect } from './statistics/detection.ts';
import { logThreshold } from './statistics/one-rate.ts';
import { duration, figure, percent } from './words.ts';

/** What a rollout is expected to be able to see, before it starts. */
export interface PowerPlan {
  /** To the service; null when nothing is known of them. */
  readonly requestsPerSecond: number | null;
  /** Stable's share of failed attempts of late, 0 to 1; null when nothing is known. */
  readonly stableErrorRate: number | null;
  readonly stages: readonly StagePower[];
  /** What is likely not meant, in sentences. */
  readonly warnings: readonly string[];
}

export interface StagePower {
  /** From 0. */
  readonly stage: number;
  readonly weight: number;
  readonly holdMs: number;
  /** Expected on the candidate in the hold; null when nothing is known. */
  readonly requests: number | null;
  readonly guards: readonly GuardPower[];
  /** `at 5 % of 40 req/s …`: for a line of a log. */
  readonly summary: string;
}

export interface GuardPower {
  readonly guard: string;
  /** The rate that is allowed, 0 to 1; null where none is known beforehand. */
  readonly allowed: number | null;
  /** The least multiple of it that is seen within the hold four times in five; null when there is none. */
  readonly sees: Sight | null;
  /** The same for a candidate that fails outright. */
  readonly outright: Sight | null;
  readonly summary: string;
}

export interface Sight {
  /** True rate of the candidate, 0 to 1. */
  readonly rate: number;
  readonly requests: number;
  readonly afterMs: number;
}

export interface PowerInput {
  readonly requestsPerSecond: number | null;
  readonly stableErrorRate: number | null;
}

/** "Sees" means: in four of five rollouts with such a candidate, by then. */
const POWER = 0.8;
/** So many times what is allowed. */
const MULTIPLES = [1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000] as const;
/** What the comparison with stable needs beyond its bound in four of five rollouts; by simulation, see two-rates.test.ts. */
const COMPARISON_OVERHEAD = 2.1;

/**
 * What each stage can see of a candidate that is bad from its first request on, by the requests of the stage alone. Pure;
 * exact for guards with a bound of their own, an estimate for those that compare with stable.
 */
export function powerPlan(plan: RolloutPlan, input: PowerInput): PowerPlan {
  const stages = plan.stages.map((_, stage) => stagePower(plan, stage, input));
  return { ...input, stages, warnings: warningsOf(plan, input) };
}

function stagePower(plan: RolloutPlan, stage: number, input: PowerInput): StagePower {
  const { weight = 0, holdMs = 0 } = plan.stages[stage] ?? {};
  const perSecond = input.requestsPerSecond === null ? null : (input.requestsPerSecond * weight) / 100;
  const requests = perSecond === null ? null : Math.floor((perSecond * holdMs) / 1000);
  const guards = guardsOf(plan, stage).map((guard) =>
    guardPower(guard, { weight, perSecond, requests, holdMs, input }),
  );
  const traffic =
    input.requestsPerSecond === null
      ? `at ${weight} % of a traffic not known yet`
      : `at ${weight} % of ${figure(input.requestsPerSecond)} req/s`;
  const seen = guards.length === 0 ? 'nothing is guarded' : guards.map((power) => power.summary).join('; ');
  const summary =
    holdMs === 0
      ? `${traffic} there is no time to see anything: it is not held`
      : `${traffic} ${seen}; it holds ${duration(holdMs)}`;
  return { stage, weight, holdMs, requests, guards, summary };
}

/** Guards whose outcome can be reckoned beforehand: the others ask elsewhere, or watch what nobody can know yet. */
type RateGuard = ErrorRateGuard | LatencyGuard;

interface Circumstances {
  readonly weight: number;
  readonly perSecond: number | null;
  readonly requests: number | null;
  readonly holdMs: number;
  readonly input: PowerInput;
}

function guardPower(guard: Guard, at: Circumstances): GuardPower {
  const isRate = guard.kind === 'errorRate' || guard.kind === 'latency';
  const allowed = isRate ? allowedRate(guard, at.input) : null;
  if (!isRate || allowed === null) {
    const summary = `what ${guard.name} sees cannot be reckoned beforehand`;
    return { guard: guard.name, allowed: null, sees: null, outright: null, summary };
  }
  const { confidence } = guard;
  const needed = (rate: number): number | null => requestsNeeded(guard, { allowed, confidence, rate }, at);
  const sight = (rate: number): Sight | null => {
    const requests = needed(rate);
    if (requests === null || at.perSecond === null || at.perSecond === 0) return null;
    return { rate, requests, afterMs: (requests / at.perSecond) * 1000 };
  };
  const rates = MULTIPLES.map((multiple) => Number((multiple * allowed).toPrecision(12))).filter((rate) => rate < 1);
  const sees = rates.reduce<Sight | null>((found, rate) => found ?? sight(rate), null);
  const outright = sight(1);
  return { guard: guard.name, allowed, sees, outright, summary: sentence(guard.name, allowed, { sees, outright, at }) };
}

function allowedRate(guard: RateGuard, { stableErrorRate }: PowerInput): number | null {
  // Not 0.010000000000000009 for a quantile of 99 %.
  const slow = guard.kind === 'latency' ? Number((1 - guard.quantile).toPrecision(12)) : null;
  if (guard.versus === undefined) return positive(slow ?? (guard.kind === 'errorRate' ? guard.max : 0));
  const stable = slow ?? stableErrorRate;
  return stable === null ? null : positive(guard.ratio * stable + guard.margin);
}

function positive(rate: number): number | null {
  return rate > 0 && rate < 1 ? rate : null;
}

interface Question {
  readonly allowed: number;
  readonly confidence: number;
  readonly rate: number;
}

/** Of the candidate; null when the stage has fewer. */
function requestsNeeded(guard: RateGuard, { allowed, confidence, rate }: Question, at: Circumstances): number | null {
  const most = at.requests ?? 0;
  if (guard.versus === undefined) return trialsToDetect({ max: allowed, confidence }, rate, POWER, most);
  const { ratio, margin } = guard;
  const stableRate = Math.max(1e-6, ratio === 0 ? 0 : (allowed - margin) / ratio);
  const entropy = entropyPerRequest({ stableRate, rate, ratio, margin }, (100 - at.weight) / Math.max(1, at.weight));
  const requests = Math.ceil((COMPARISON_OVERHEAD * logThreshold(confidence)) / entropy) + 2;
  return requests <= most ? requests : null;
}

interface Rates {
  readonly stableRate: number;
  readonly rate: number;
  readonly ratio: number;
  readonly margin: number;
}

/** What one candidate request, with its share of stable's, adds to the evidence: the least relative entropy to the null. */
function entropyPerRequest({ stableRate, rate, ratio, margin }: Rates, stablePerCandidate: number): number {
  const of = (s: number): number =>
    relativeEntropy(rate, ratio * s + margin) + stablePerCandidate * relativeEntropy(stableRate, s);
  // Convex in s: a ternary search finds its least.
  let low = stableRate;
  let high = ratio === 0 ? stableRate : Math.min(1 - 1e-9, Math.max(low, (Math.min(rate, 1 - 1e-9) - margin) / ratio));
  for (let i = 0; i < 100; i++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (of(a) < of(b)) high = b;
    else low = a;
  }
  return Math.max(1e-12, of(low));
}

function relativeEntropy(p: number, q: number): number {
  const hit = p === 0 ? 0 : p * Math.log(p / q);
  return hit + (p === 1 ? 0 : (1 - p) * Math.log((1 - p) / (1 - q)));
}

interface Sights {
  readonly sees: Sight | null;
  readonly outright: Sight | null;
  readonly at: Circumstances;
}

function sentence(name: string, allowed: number, { sees, outright, at }: Sights): string {
  if (at.requests === null) return `${name} can see more than ${percent(allowed)}, how soon is not known`;
  const all = outright === null ? '' : `, and one that fails all after ${soon(outright)}`;
  if (sees !== null)
    return `${name} can see ${times(sees.rate / allowed)} ${percent(allowed)} after about ${duration(sees.afterMs)}, hardly less${all}`;
  if (outright !== null)
    return `${name} can see a candidate that fails all after ${soon(outright)}, and hardly anything less`;
  return `${name} can see nothing: ${at.requests} requests are too few`;
}

function soon({ requests, afterMs }: Sight): string {
  return `${requests} ${requests === 1 ? 'request' : 'requests'} (${duration(afterMs)})`;
}

function times(multiple: number): string {
  const rounded = Number(multiple.toPrecision(3));
  return rounded === 2 ? 'a doubling of' : `${rounded} times`;
}

function warningsOf(plan: RolloutPlan, { stableErrorRate }: PowerInput): string[] {
  if (stableErrorRate === null) return [];
  return plan.guards.flatMap((guard) => {
    if (guard.kind !== 'errorRate' || guard.versus !== undefined || guard.max >= stableErrorRate) return [];
    return [
      `${guard.name} allows ${percent(guard.max)}, and stable itself fails ${percent(stableErrorRate)}: a candidate as good as stable would be rolled back`,
    ];
  });
}
