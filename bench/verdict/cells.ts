import { crossingChance, failThreshold } from '../../src/rollout/statistics/boundary.ts';
import { logEValueOf, logThreshold } from '../../src/rollout/statistics/one-rate.ts';
import { type Random, randomOf, untilHit } from './random.ts';
import { type Bound, type Rule, rulesFor, sequential } from './rules.ts';
import { DEFAULT_STAGES, type SimulatedStage, type Timeline, timelineOf } from './timeline.ts';

export interface Setup {
  /** Simulated in each cell. */
  readonly rollouts: number;
  readonly seed: number;
  readonly confidence: number;
}

/** Rollouts of the default plan with a candidate that keeps to the bound. */
export interface FalseAlarms {
  readonly max: number;
  readonly rate: number;
  /** Requests a second to the service. */
  readonly traffic: number;
  readonly requests: number;
  /** The chance that Tealgate ever rolls such a candidate back, however long the rollout: computed, not simulated. */
  readonly ever: number;
  /** By rule: the share of rollouts that were rolled back. */
  readonly shares: Readonly<Record<string, number>>;
}

/** Requests until a bad candidate is caught, without an end to the rollout. */
export interface Detection {
  readonly max: number;
  readonly rate: number;
  /** ln(1/α)/KL: no test of that confidence can do with fewer on average. */
  readonly wald: number;
  readonly budget: number;
  readonly mean: number;
  readonly median: number;
  /** (mean − 2)/Wald. */
  readonly ratio: number;
}

/** One stage of half an hour with a bad candidate. */
export interface Comparison {
  readonly max: number;
  readonly rate: number;
  readonly traffic: number;
  readonly share: number;
  readonly wald: number;
  readonly rules: Readonly<Record<string, Delay>>;
}

export interface Delay {
  /** Of the rollouts; the rest ran to the end of the stage. */
  readonly caught: number;
  /** Of those caught; null when none was. */
  readonly requests: number | null;
  readonly seconds: number | null;
}

/** "At least three times" is where the budget holds. */
const TIMES = [3, 5, 10, 30, 100, 300] as const;

export function falseAlarms({ seed, rollouts, confidence }: Setup): FalseAlarms[] {
  const cells = [0.01, 0.001].flatMap((max) =>
    [max / 2, max].flatMap((rate) => [10, 40, 500].map((traffic) => ({ max, rate, traffic }))),
  );
  return cells.map(({ max, rate, traffic }) => {
    const timeline = timelineOf(traffic, DEFAULT_STAGES);
    const rules = rulesFor({ max, confidence });
    const random = randomOf(seed, `alarms/${max}/${rate}/${traffic}`);
    const tripped = new Map(rules.map(({ id }) => [id, 0]));
    simulate({ random, rate, rollouts, timeline }, (errors, count) => {
      for (const rule of rules) {
        if (rule.tripsAt(errors, count, timeline) !== null) tripped.set(rule.id, (tripped.get(rule.id) ?? 0) + 1);
      }
    });
    const shares = Object.fromEntries([...tripped].map(([id, times]) => [id, times / rollouts]));
    const ever = crossingChance(logEValueOf(max), rate, failThreshold(max, confidence));
    return { max, rate, traffic, requests: timeline.requests, ever, shares };
  });
}

export function detections({ seed, rollouts, confidence }: Setup): Detection[] {
  return [0.05, 0.01, 0.005, 0.001].flatMap((max) => {
    const rule = sequential({ max, confidence });
    const rates = [...TIMES.map((times) => times * max).filter((rate) => rate < 1), 1];
    return rates.map((rate): Detection => {
      const wald = waldBound({ max, confidence }, rate);
      // Far beyond what any of them needs.
      const timeline = timelineOf(1, [{ share: 1, seconds: Math.ceil(60 * wald) + 100 }]);
      const delays: number[] = [];
      simulate({ random: randomOf(seed, `wald/${max}/${rate}`), rate, rollouts, timeline }, (errors, count) => {
        delays.push(rule.tripsAt(errors, count, timeline) ?? timeline.requests);
      });
      const mean = meanOf(delays);
      return { max, rate, wald, budget: 1.35 * wald + 2, mean, median: medianOf(delays), ratio: (mean - 2) / wald };
    });
  });
}

export function comparisons({ seed, rollouts, confidence }: Setup): Comparison[] {
  const max = 0.01;
  const traffics = [
    { traffic: 40, share: 0.05 },
    { traffic: 500, share: 0.1 },
  ];
  return traffics.flatMap(({ traffic, share }) =>
    [0.02, 0.03, 0.05, 0.1, 0.3, 1].map((rate): Comparison => {
      const stage: SimulatedStage = { share, seconds: 1800 };
      const timeline = timelineOf(traffic, [stage]);
      const rules = rulesFor({ max, confidence });
      const caught = new Map<string, number[]>(rules.map(({ id }) => [id, []]));
      simulate({ random: randomOf(seed, `compare/${rate}/${traffic}`), rate, rollouts, timeline }, (errors, count) => {
        for (const rule of rules) {
          const at = rule.tripsAt(errors, count, timeline);
          if (at !== null) caught.get(rule.id)?.push(at);
        }
      });
      const delays = rules.map((rule) => [rule.id, delayOf(rule, caught.get(rule.id) ?? [])] as const);
      const wald = waldBound({ max, confidence }, rate);
      return { max, rate, traffic, share, wald, rules: Object.fromEntries(delays) };

      function delayOf(_rule: Rule, requests: readonly number[]): Delay {
        if (requests.length === 0) return { caught: 0, requests: null, seconds: null };
        const seconds = meanOf(requests.map((n) => timeline.secondsAt(n)));
        return { caught: requests.length / rollouts, requests: meanOf(requests), seconds };
      }
    }),
  );
}

export function waldBound({ max, confidence }: Bound, rate: number): number {
  return logThreshold(confidence) / kullbackLeibler(rate, max);
}

interface Simulation {
  readonly random: Random;
  readonly rate: number;
  readonly rollouts: number;
  readonly timeline: Timeline;
}

/** Calls back for each rollout with the requests that failed; the array is used again. */
function simulate({ random, rate, rollouts, timeline }: Simulation, onRollout: OnRollout): void {
  const errors = new Float64Array(timeline.requests + 1);
  for (let i = 0; i < rollouts; i++) {
    let count = 0;
    for (let at = untilHit(random, rate); at <= timeline.requests; at += untilHit(random, rate)) errors[count++] = at;
    onRollout(errors, count);
  }
}

type OnRollout = (errors: Float64Array, count: number) => void;

function kullbackLeibler(p: number, q: number): number {
  return p * Math.log(p / q) + (p < 1 ? (1 - p) * Math.log((1 - p) / (1 - q)) : 0);
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
