export type Verdict = 'pass' | 'fail' | 'inconclusive';

/** What a guard saw and concluded, kept with each transition so that anyone can recompute it. */
export type GuardEvidence =
  | ErrorRateEvidence
  | RelativeErrorRateEvidence
  | LatencyEvidence
  | RelativeLatencyEvidence
  | CollateralEvidence
  | BusinessEvidence
  | CompareEvidence
  | MetricEvidence
  | WebhookEvidence;

/** What the evidence of every guard has. */
export interface EvidenceBase {
  /** The guard's name. */
  readonly guard: string;
  readonly verdict: Verdict;
  /** The guard observes only. */
  readonly dryRun?: true;
  /** One sentence for people. */
  readonly summary: string;
}

export interface ErrorRateEvidence extends EvidenceBase, Judgement {
  readonly kind: 'errorRate';
  readonly errors: number;
  /** The allowed rate, 0 to 1. */
  readonly max: number;
}

export interface LatencyEvidence extends EvidenceBase, Judgement {
  readonly kind: 'latency';
  /** Attempts that took longer than `maxMs`. */
  readonly slow: number;
  /** The share of attempts that must be within `maxMs`, 0 to 1. */
  readonly quantile: number;
  readonly maxMs: number;
}

/** What guards have that compare with stable. */
export interface VersusEvidence {
  readonly versus: 'stable';
  /** What is allowed: so many times stable's share, and so much more (0 to 1). */
  readonly ratio: number;
  readonly margin: number;
  readonly candidate: SeenShare;
  readonly stable: SeenShare;
}

export interface RelativeErrorRateEvidence extends EvidenceBase, VersusEvidence, Judgement {
  readonly kind: 'errorRate';
}

export interface RelativeLatencyEvidence extends EvidenceBase, VersusEvidence, Judgement {
  readonly kind: 'latency';
  readonly quantile: number;
  /** Stable's time at the quantile, as last seen; null until it has had enough requests. */
  readonly boundMs: number | null;
}

/** Hits are copies that were answered otherwise than the client was; of stable, when it was asked once more. */
export interface CompareEvidence extends EvidenceBase, VersusEvidence, Judgement {
  readonly kind: 'compare';
}

export interface MetricEvidence extends EvidenceBase, PolledJudgement {
  readonly kind: 'metric';
  /** Of the query, and of what it is compared with; null when there was none. */
  readonly value: number | null;
  readonly baseline: number | null;
}

export interface WebhookEvidence extends EvidenceBase, PolledJudgement {
  readonly kind: 'webhook';
  /** Who was asked. */
  readonly webhook: string;
}

/** What guards have that ask somebody else. */
export interface PolledJudgement {
  /** Questions so far. */
  readonly asked: number;
  /** Answers `fail` in a row, and how many of them it takes. */
  readonly failures: number;
  readonly needed: number;
  /** Of the last question, ms since the Unix epoch; null before the first. */
  readonly askedAt: number | null;
}

/** Attempts of one side, and those of them that a guard looks for. */
export interface SeenShare {
  readonly trials: number;
  readonly hits: number;
}

export interface CollateralEvidence extends EvidenceBase, Judgement {
  readonly kind: 'collateral';
  readonly ratio: number;
  readonly margin: number;
  /** Stable's attempts before the rollout; null when nothing is known of them. */
  readonly before: SeenShare | null;
  readonly stable: SeenShare;
  /** The rate that stable is held against, 0 to 1. */
  readonly allowed: number;
}

export interface BusinessEvidence extends EvidenceBase, Judgement {
  readonly kind: 'business';
  readonly event: string;
  readonly minRatio: number;
  readonly candidate: SeenShare;
  readonly stable: SeenShare;
}

/** What guards have that test a rate. */
export interface Judgement {
  readonly trials: number;
  readonly confidence: number;
  /** Natural logarithm of the e-value; the guard fails at `logThreshold`. */
  readonly logE: number;
  readonly logThreshold: number;
}
