/** One stage as the simulation needs it: a share of the traffic for some time. */
export interface SimulatedStage {
  /** 0 to 1. */
  readonly share: number;
  readonly seconds: number;
}

/** The default plan of a canary, up to where there is still a way back. */
export const DEFAULT_STAGES: readonly SimulatedStage[] = [
  { share: 0.05, seconds: 1800 },
  { share: 0.25, seconds: 600 },
  { share: 0.5, seconds: 600 },
];

/** What the loops that poll look at. */
const WINDOW_SECONDS = 60;

/** When the candidate's requests come: evenly, as a weighted split spreads them. */
export interface Timeline {
  /** Of the candidate in the whole rollout. */
  readonly requests: number;
  /** The last request of each window of a minute. */
  readonly windowEnds: readonly number[];
  secondsAt(request: number): number;
}

/** @param rate requests a second to the service */
export function timelineOf(rate: number, stages: readonly SimulatedStage[]): Timeline {
  const starts: { readonly request: number; readonly second: number; readonly perSecond: number }[] = [];
  const windowEnds: number[] = [];
  let request = 0;
  let second = 0;
  for (const { share, seconds } of stages) {
    const perSecond = rate * share;
    starts.push({ request, second, perSecond });
    for (let passed = WINDOW_SECONDS; passed <= seconds; passed += WINDOW_SECONDS) {
      windowEnds.push(Math.round(request + passed * perSecond));
    }
    request += seconds * perSecond;
    second += seconds;
  }
  return {
    requests: Math.round(request),
    windowEnds,
    secondsAt(n) {
      const stage = starts.findLast((start) => start.request < n) ?? { request: 0, second: 0, perSecond: rate };
      return stage.second + (n - stage.request) / stage.perSecond;
    },
  };
}
