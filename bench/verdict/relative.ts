import { advance, beginTwoRates, judgeTwoRates, type TwoRatesRule } from '../../src/rollout/statistics/two-rates.ts';
import { meanOf, type Setup } from './cells.ts';
import { hitsAmong, randomOf } from './random.ts';

/** Candidate against stable in the same windows: ten seconds of 40 requests a second, 10 % of them to the candidate. */
const WINDOW = { candidate: 40, stable: 360 } as const;
/** Half an hour. */
const WINDOWS = 180;

/** What happens to both sides, window by window. */
interface Weather {
  readonly title: string;
  stable(window: number): number;
  candidate(window: number): number;
}

export interface Relative {
  readonly title: string;
  readonly ratio: number;
  /** The share of rollouts that were rolled back. */
  readonly caught: number;
  /** Of the candidate, on average, in those. */
  readonly requests: number | null;
}

const steady = (rate: number) => (): number => rate;
/** Five minutes in which a dependency of both fails one request in five. */
const outage =
  (rate: number) =>
  (window: number): number =>
    window >= 60 && window < 90 ? 0.2 : rate;

const WEATHERS: readonly Weather[] = [
  { title: 'both 1 %', stable: steady(0.01), candidate: steady(0.01) },
  { title: 'both 1 %, and 20 % for five minutes', stable: outage(0.01), candidate: outage(0.01) },
  { title: 'stable none, candidate none', stable: steady(0), candidate: steady(0) },
  { title: 'stable 1 %, candidate 3 %', stable: steady(0.01), candidate: steady(0.03) },
  { title: 'stable 1 %, candidate 10 %', stable: steady(0.01), candidate: steady(0.1) },
  { title: 'stable none, candidate 5 %', stable: steady(0), candidate: steady(0.05) },
  { title: 'stable 1 %, candidate all', stable: steady(0.01), candidate: steady(1) },
];

export function relatives({ seed, rollouts, confidence }: Setup): Relative[] {
  const cells = WEATHERS.flatMap((weather) => [1, 1.5].map((ratio) => ({ weather, ratio })));
  return cells.map(({ weather, ratio }) => {
    const random = randomOf(seed, `relative/${weather.title}/${ratio}`);
    const caught: number[] = [];
    for (let i = 0; i < rollouts; i++) {
      const at = untilFail({ ratio, margin: 0, confidence }, (window) => ({
        candidate: { trials: WINDOW.candidate, hits: hitsAmong(random, WINDOW.candidate, weather.candidate(window)) },
        stable: { trials: WINDOW.stable, hits: hitsAmong(random, WINDOW.stable, weather.stable(window)) },
      }));
      if (at !== null) caught.push(at);
    }
    const requests = caught.length === 0 ? null : meanOf(caught);
    return { title: weather.title, ratio, caught: caught.length / rollouts, requests };
  });
}

function untilFail(rule: TwoRatesRule, next: (window: number) => Parameters<typeof advance>[1]): number | null {
  let state = beginTwoRates(rule);
  for (let window = 0; window < WINDOWS; window++) {
    state = advance(state, next(window));
    if (judgeTwoRates(state).verdict === 'fail') return state.candidate.trials;
  }
  return null;
}
