import type { RolloutPlan } from '../config.ts';

/** What a guard can judge by; the word in `kind`, and the default name of a guard of that kind. */
export const GUARD_KINDS = ['errorRate', 'latency', 'collateral', 'business', 'compare', 'metric', 'webhook'] as const;
export type GuardKind = (typeof GUARD_KINDS)[number];

/** A rule that must hold during a rollout, complete: as the plan of a rollout stores it. */
export type Guard =
  | ErrorRateGuard
  | LatencyGuard
  | CollateralGuard
  | BusinessGuard
  | CompareGuard
  | MetricGuard
  | WebhookGuard;
/** Those that ask somebody else, from time to time. */
export type PolledGuard = MetricGuard | WebhookGuard;
export type GuardOf<Kind extends GuardKind> = Extract<Guard, { readonly kind: Kind }>;

/** In the guards of a stage: the plan's guard of this name rests while the stage runs. */
export interface NoGuard {
  readonly name: string;
  readonly kind: 'none';
}

/** What guards of every kind have. */
export interface GuardBase {
  /** Unique among the guards of a plan; a stage's guard of the same name stands in for the plan's. */
  readonly name: string;
  /** Observes only: its verdict is told and moves nothing. */
  readonly dryRun?: true;
}

/** Which attempts a guard counts, and as what; without either: all, errors being 5xx and failures without an answer. */
export interface Selection {
  readonly match?: Match;
  readonly by?: ByClient;
}

export interface Match {
  /** Prefixes on whole segments; empty: any path. */
  readonly paths: readonly string[];
  /** In upper case; empty: any method. */
  readonly methods: readonly string[];
  /** Ranges of status codes (first, last) that are errors, besides failures without an answer. */
  readonly errors: readonly (readonly [number, number])[];
  /** Ranges of status codes that do not count at all. */
  readonly ignore: readonly (readonly [number, number])[];
  /** gRPC statuses that are errors; absent: those that say that the server failed. */
  readonly grpc?: readonly number[];
}

/** At most `client` outcomes of a client in `perMs`, on each side and in each worker. */
export interface ByClient {
  readonly client: number;
  readonly perMs: number;
}

/** Held against stable in the same time: at most `ratio` · stable's share + `margin` (0 to 1). */
export interface VersusStable {
  readonly versus: 'stable';
  readonly ratio: number;
  readonly margin: number;
  readonly confidence: number;
}

export type ErrorRateGuard = AbsoluteErrorRateGuard | RelativeErrorRateGuard;

/** Trips when the evidence that the candidate's true error rate exceeds `max` reaches `confidence`. Both 0 to 1. */
export interface AbsoluteErrorRateGuard extends GuardBase, Selection {
  readonly kind: 'errorRate';
  readonly versus?: never;
  readonly max: number;
  readonly confidence: number;
}

/** Trips when the evidence that the candidate's error rate exceeds what stable's allows reaches `confidence`. */
export interface RelativeErrorRateGuard extends GuardBase, Selection, VersusStable {
  readonly kind: 'errorRate';
}

export type LatencyGuard = AbsoluteLatencyGuard | RelativeLatencyGuard;

/**
 * Trips when the evidence that more than 1 - `quantile` of the candidate's attempts take longer than `maxMs`, up to the
 * response head, reaches `confidence`. `quantile` and `confidence` 0 to 1.
 */
export interface AbsoluteLatencyGuard extends GuardBase, Selection {
  readonly kind: 'latency';
  readonly versus?: never;
  readonly quantile: number;
  readonly maxMs: number;
  readonly confidence: number;
}

/**
 * Trips when the evidence that the candidate has more attempts slower than stable's `quantile` than stable's own share of
 * them allows reaches `confidence`.
 */
export interface RelativeLatencyGuard extends GuardBase, Selection, VersusStable {
  readonly kind: 'latency';
  readonly quantile: number;
}

/** Trips when the evidence that copies differ on the candidate more than stable's own noise allows reaches `confidence`. */
export interface CompareGuard extends GuardBase, VersusStable {
  readonly kind: 'compare';
}

/**
 * Trips when `failures` values in a row of a Prometheus query are out of bounds: below `min`, above `max`, or above
 * `ratio` (default 1) times the value of `baseline` plus `margin` (default 0); where lower is worse, below that many times
 * the baseline less `margin`.
 */
export interface MetricGuard extends GuardBase {
  readonly kind: 'metric';
  /** A name of the configuration's `prometheus`. */
  readonly prometheus: string;
  readonly query: string;
  /** Another query, or `stable`: the same with stable as the upstream. With `ratio` or `margin`. */
  readonly baseline?: string;
  readonly max?: number;
  readonly min?: number;
  readonly ratio?: number;
  readonly margin?: number;
  /** On which side of the baseline values are out of bounds; absent: higher ones. */
  readonly worse?: 'lower';
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly failures: number;
  readonly onNoData: 'inconclusive' | 'pass' | 'fail';
  readonly onError: 'inconclusive' | 'fail';
}

/** Trips when a webhook has answered `fail` `failures` times in a row. */
export interface WebhookGuard extends GuardBase {
  readonly kind: 'webhook';
  /** A name of the configuration's `webhooks`. */
  readonly webhook: string;
  readonly intervalMs: number;
  readonly failures: number;
}

export function isPolled(guard: Guard): guard is PolledGuard {
  return guard.kind === 'metric' || guard.kind === 'webhook';
}

/**
 * Trips when the evidence that stable itself fails more than `ratio` times its error rate before the rollout and `margin`
 * (0 to 1) more reaches `confidence`: the candidate harms what both use.
 */
export interface CollateralGuard extends GuardBase, Selection {
  readonly kind: 'collateral';
  readonly ratio: number;
  readonly margin: number;
  readonly confidence: number;
}

/**
 * Trips when the evidence that fewer of the candidate's attempts report `event` than `minRatio` times stable's share in
 * the same time reaches `confidence`.
 */
export interface BusinessGuard extends GuardBase, Selection {
  readonly kind: 'business';
  readonly event: string;
  readonly minRatio: number;
  readonly confidence: number;
}

/** The guards that are in force in a stage (from 0): the plan's, with what the stage adds, replaces or turns off. */
export function guardsOf({ guards, stages }: Pick<RolloutPlan, 'guards' | 'stages'>, stage: number): readonly Guard[] {
  const own = stages[stage]?.guards;
  if (own === undefined) return guards;
  const names = new Set(own.map(({ name }) => name));
  const added = own.filter((guard): guard is Guard => guard.kind !== 'none');
  const inPlace = guards.flatMap((guard) =>
    names.has(guard.name) ? added.filter(({ name }) => name === guard.name) : [guard],
  );
  return [...inPlace, ...added.filter(({ name }) => !guards.some((guard) => guard.name === name))];
}
