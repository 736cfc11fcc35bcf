/**
 * Outlier detection: which targets of an upstream are taken out because requests fail there, and when they return. Pure:
 * counts and times come in, new records and what changed come out. After Envoy's outlier detection, with two rules of
 * its own: a target that keeps failing but may not be ejected counts as lost for the panic threshold, and one that
 * answers well while its ejection is ignored returns early.
 */

/** Durations in ms; shares 0 to 1. */
export interface OutlierPolicy {
  /** Failures in a row that eject. */
  readonly consecutive: number;
  /** Failure share within the window that ejects; null: not looked at. */
  readonly share: number | null;
  /** Least requests within the window for `share` to say anything. */
  readonly minRequests: number;
  /** Also how long a target must do well for one strike to be forgotten. */
  readonly windowMs: number;
  /** Of the first ejection; the nth in short order takes n times as long. */
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  /** Most of an upstream's targets ejected at once; one always may be, of two or more. */
  readonly maxEjected: number;
  /** Ejections are ignored while fewer of an upstream's targets than this share are sound. */
  readonly panic: number;
  /** Decide and tell, but go on sending requests. */
  readonly dryRun: boolean;
}

/** Totals of a target since the process started, see ledger.ts `TARGET`. */
export interface TargetCounts {
  readonly trials: number;
  readonly errors: number;
  readonly runs: number;
}

export interface Ejection {
  readonly reason: 'consecutive' | 'share';
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** What is remembered of a target between two sweeps. */
export interface TargetRecord {
  readonly counts: TargetCounts;
  /** Over all workers, as far as sweeps can tell: a sweep that saw both kinds ends either row. */
  readonly failuresInRow: number;
  readonly successesInRow: number;
  /** Oldest first; those that left the window are dropped by their time. */
  readonly buckets: readonly Bucket[];
  readonly ejection: Ejection | null;
  /** Ejections not forgotten yet. */
  readonly strikes: number;
  /** Since when it has done well, or was last given a strike. */
  readonly cleanSinceMs: number;
  /** Would be ejected if one more could be, and has not answered well since. */
  readonly failing: boolean;
}

export interface Bucket {
  readonly startMs: number;
  readonly trials: number;
  readonly errors: number;
}

/** Why a target was ejected: `errors` of the last `trials` judged attempts failed. */
export interface Evidence {
  readonly reason: Ejection['reason'];
  readonly errors: number;
  readonly trials: number;
}

/** `time`: it was over; `recovered`: it answered well while panic ignored it; `alone`: no other target is left. */
export type ReturnReason = 'time' | 'recovered' | 'alone';

/** `index`: of the target in the order given. */
export type Change =
  | {
      readonly kind: 'ejected';
      readonly index: number;
      readonly ejection: Ejection;
      readonly strikes: number;
      readonly evidence: Evidence;
    }
  | { readonly kind: 'returned'; readonly index: number; readonly ejection: Ejection; readonly reason: ReturnReason };

export interface Observed {
  readonly record: TargetRecord;
  /** As they are now. */
  readonly counts: TargetCounts;
  /** Not unhealthy by the active check: one that is takes nothing anyway, and is not ejected on top. */
  readonly healthy: boolean;
}

export interface Swept {
  readonly records: readonly TargetRecord[];
  readonly changes: readonly Change[];
}

/** The window moves in steps of this share of it. */
const BUCKET_SHARE = 0.1;

export function newRecord(counts: TargetCounts, nowMs: number): TargetRecord {
  return {
    counts,
    failuresInRow: 0,
    successesInRow: 0,
    buckets: [],
    ejection: null,
    strikes: 0,
    cleanSinceMs: nowMs,
    failing: false,
  };
}

/** Nothing is remembered of it that time alone could change. */
export function isQuiet({ ejection, strikes, failing }: TargetRecord): boolean {
  return ejection === null && strikes === 0 && !failing;
}

/** Looks at all targets of one upstream. Targets that return make room before others are ejected. */
export function sweepUpstream(policy: OutlierPolicy, targets: readonly Observed[], nowMs: number): Swept {
  const changes: Change[] = [];
  const seen = targets.map(({ record, counts }) => take(policy, record, counts, nowMs));
  const returned = seen.map((record, index) => {
    const reason = returnReason(policy, record, targets.length, nowMs);
    if (record.ejection === null || reason === null) return record;
    changes.push({ kind: 'returned', index, ejection: record.ejection, reason });
    return afterReturn(record, nowMs);
  });
  let room = mostEjected(policy, targets.length) - returned.filter(({ ejection }) => ejection !== null).length;
  const records = returned.map((record, index) => {
    const target = targets[index];
    if (target === undefined || record.ejection !== null) return record;
    const evidence = target.healthy ? outlying(policy, target.record, record, nowMs) : null;
    if (evidence === null) return forgetStrike(policy, record, nowMs);
    if (room <= 0) return { ...record, failing: targets.length > 1, cleanSinceMs: nowMs };
    room--;
    const ejected = eject(policy, record, evidence, nowMs);
    changes.push({ kind: 'ejected', index, ejection: ejected.ejection, strikes: ejected.strikes, evidence });
    return ejected;
  });
  return { records, changes };
}

/** What is known of a target when routes are made. */
export interface Standing {
  readonly healthy: boolean;
  readonly ejected: boolean;
  readonly failing: boolean;
}

/**
 * Which targets of an upstream take requests: those that are healthy and not ejected. While less than the share `panic`
 * of them is sound, ejections are ignored: too few would have to carry the load of all.
 */
export function eligibleTargets(standings: readonly Standing[], panic: number): boolean[] {
  const sound = standings.filter(({ healthy, ejected, failing }) => healthy && !ejected && !failing).length;
  const panics = sound < panic * standings.length;
  return standings.map(({ healthy, ejected }) => healthy && (panics || !ejected));
}

function take(policy: OutlierPolicy, record: TargetRecord, counts: TargetCounts, nowMs: number): TargetRecord {
  const trials = counts.trials - record.counts.trials;
  const errors = counts.errors - record.counts.errors;
  if (trials <= 0 && errors <= 0) return record;
  const allFailed = errors >= trials;
  const allWell = errors <= 0;
  return {
    ...record,
    counts,
    failuresInRow: allFailed ? record.failuresInRow + errors : 0,
    successesInRow: allWell ? record.successesInRow + trials : 0,
    buckets: policy.share === null ? [] : pour(policy, record.buckets, { startMs: nowMs, trials, errors }),
    failing: record.failing && allFailed,
  };
}

/** Adds to the newest bucket, or begins another. */
function pour({ windowMs }: OutlierPolicy, buckets: readonly Bucket[], more: Bucket): readonly Bucket[] {
  const kept = buckets.filter(({ startMs }) => startMs > more.startMs - windowMs);
  const newest = kept.at(-1);
  if (newest === undefined || more.startMs - newest.startMs >= windowMs * BUCKET_SHARE) return [...kept, more];
  const trials = newest.trials + more.trials;
  return [...kept.slice(0, -1), { startMs: newest.startMs, trials, errors: newest.errors + more.errors }];
}

function outlying(
  policy: OutlierPolicy,
  before: TargetRecord,
  { counts, failuresInRow, buckets }: TargetRecord,
  nowMs: number,
): Evidence | null {
  if (counts === before.counts) return null;
  const inRow = Math.max(failuresInRow, counts.runs > before.counts.runs ? policy.consecutive : 0);
  if (inRow >= policy.consecutive) return { reason: 'consecutive', errors: inRow, trials: inRow };
  if (policy.share === null) return null;
  const recent = buckets.filter(({ startMs }) => startMs > nowMs - policy.windowMs);
  const trials = recent.reduce((sum, bucket) => sum + bucket.trials, 0);
  const errors = recent.reduce((sum, bucket) => sum + bucket.errors, 0);
  if (trials < policy.minRequests || errors < policy.share * trials) return null;
  return { reason: 'share', errors, trials };
}

function returnReason(
  { consecutive }: OutlierPolicy,
  { ejection, successesInRow }: TargetRecord,
  targets: number,
  nowMs: number,
): ReturnReason | null {
  if (ejection === null) return null;
  if (targets < 2) return 'alone';
  if (nowMs >= ejection.untilMs) return 'time';
  return successesInRow >= consecutive ? 'recovered' : null;
}

function mostEjected({ maxEjected }: OutlierPolicy, targets: number): number {
  return targets < 2 ? 0 : Math.max(1, Math.floor(maxEjected * targets));
}

/** Strikes beyond the longest ejection would only take longer to forget. */
function eject(
  { ejectionMs, maxEjectionMs }: OutlierPolicy,
  record: TargetRecord,
  { reason }: Evidence,
  nowMs: number,
): TargetRecord & { readonly ejection: Ejection } {
  const strikes = Math.min(record.strikes + 1, Math.max(1, Math.ceil(maxEjectionMs / ejectionMs)));
  const untilMs = nowMs + Math.min(ejectionMs * strikes, maxEjectionMs);
  return { ...restarted(record), strikes, ejection: { reason, sinceMs: nowMs, untilMs } };
}

function afterReturn(record: TargetRecord, nowMs: number): TargetRecord {
  return { ...restarted(record), ejection: null, cleanSinceMs: nowMs };
}

/** What came before an ejection or a return says nothing about what comes after. */
function restarted(record: TargetRecord): TargetRecord {
  return { ...record, failuresInRow: 0, successesInRow: 0, buckets: [], failing: false };
}

function forgetStrike({ windowMs }: OutlierPolicy, record: TargetRecord, nowMs: number): TargetRecord {
  if (record.strikes === 0 || nowMs - record.cleanSinceMs < windowMs) return record;
  return { ...record, strikes: record.strikes - 1, cleanSinceMs: nowMs };
}
