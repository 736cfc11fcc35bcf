import type { Clock } from '../platform/clock.ts';
import type { NewEvent } from '../store/store.ts';
import type { EjectionCount } from '../telemetry/metrics-source.ts';
import { TARGET } from '../traffic/ledger.ts';
import {
  type Change,
  isQuiet,
  newRecord,
  type OutlierPolicy,
  sweepUpstream,
  type TargetCounts,
  type TargetRecord,
} from '../traffic/outliers.ts';

/** An upstream whose targets are watched for failures. */
export interface WatchedUpstream {
  readonly service: string;
  readonly upstream: string;
  readonly policy: OutlierPolicy;
  readonly targets: readonly WatchedTarget[];
}

export interface WatchedTarget {
  readonly id: number;
  readonly url: string;
  readonly ledger: SharedArrayBuffer;
}

/** What outlier detection holds of a target, apart from its health and its admin state. */
export interface EjectionState {
  readonly ejected: boolean;
  /** Keeps failing, and may not be ejected. */
  readonly failing: boolean;
  /** Monotonic; null while it is not ejected. */
  readonly untilMs: number | null;
}

/** Watches what requests to targets come to; a target that stays keeps what is known of it, over reloads too. */
export interface Outliers {
  update(upstreams: readonly WatchedUpstream[]): void;
  /** With `dryRun`, no target is ever ejected or failing. */
  state(targetId: number): EjectionState;
  /** Looks at the ledger. Null when nothing changed that routing depends on and there is nothing to tell. */
  sweep(): readonly NewEvent[] | null;
  /** How often targets were ejected since the process started. */
  ejections(): Iterable<EjectionCount>;
}

export interface OutliersOptions {
  readonly clock: Clock;
  /** Not unhealthy. */
  readonly healthy: (targetId: number) => boolean;
}

const SOUND: EjectionState = { ejected: false, failing: false, untilMs: null };

interface Watched {
  readonly target: WatchedTarget;
  /** All stripes of its ledger block. */
  readonly cells: Float64Array;
  record: TargetRecord;
}

interface Group {
  readonly of: WatchedUpstream;
  readonly targets: readonly Watched[];
}

export function createOutliers({ clock, healthy }: OutliersOptions): Outliers {
  let groups: readonly Group[] = [];
  let known = new Map<number, { readonly watched: Watched; readonly policy: OutlierPolicy }>();
  const counts = new Map<string, EjectionCount>();

  const watch = (target: WatchedTarget): Watched => {
    const before = known.get(target.id);
    if (before !== undefined) return before.watched;
    const cells = new Float64Array(target.ledger);
    return { target, cells, record: newRecord(readCounts(cells), clock.monotonicMs()) };
  };

  const count = ({ service, upstream }: WatchedUpstream, reason: string): void => {
    const key = JSON.stringify([service, upstream, reason]);
    counts.set(key, { service, upstream, reason, count: (counts.get(key)?.count ?? 0) + 1 });
  };

  /** What it has to tell; null when nothing changed for routing. */
  const sweepGroup = ({ of, targets }: Group): NewEvent[] | null => {
    // Nearly always, of nearly all: looked at without making anything.
    if (targets.every(isAtRest)) return null;
    const observed = targets.map(({ target, cells, record }) => ({
      record,
      counts: freshCounts(record.counts, cells),
      healthy: healthy(target.id),
    }));
    const { records, changes } = sweepUpstream(of.policy, observed, clock.monotonicMs());
    let changed = changes.length > 0;
    targets.forEach((watched, i) => {
      const record = records[i] ?? watched.record;
      changed ||= record.failing !== watched.record.failing;
      watched.record = record;
    });
    for (const change of changes) {
      if (change.kind === 'ejected' && !of.policy.dryRun) count(of, change.evidence.reason);
    }
    return changed ? changes.map((change) => toEvent(of, change, clock)) : null;
  };

  return {
    update(upstreams) {
      groups = upstreams.map((of) => ({ of, targets: of.targets.map(watch) }));
      known = new Map(
        groups.flatMap(({ of, targets }) =>
          targets.map((watched) => [watched.target.id, { watched, policy: of.policy }] as const),
        ),
      );
    },
    state(targetId) {
      const entry = known.get(targetId);
      if (entry === undefined || entry.policy.dryRun) return SOUND;
      const { ejection, failing } = entry.watched.record;
      return { ejected: ejection !== null, failing, untilMs: ejection?.untilMs ?? null };
    },
    sweep() {
      const told = groups.map(sweepGroup).filter((events) => events !== null);
      return told.length === 0 ? null : told.flat();
    },
    ejections: () => counts.values(),
  };
}

/** Nothing was counted since the last look, and there is nothing to end. */
function isAtRest({ record, cells }: Watched): boolean {
  return isQuiet(record) && isSame(record.counts, cells);
}

/** The very same object when nothing was counted since. */
function freshCounts(before: TargetCounts, cells: Float64Array): TargetCounts {
  return isSame(before, cells) ? before : readCounts(cells);
}

function isSame({ trials, errors, runs }: TargetCounts, cells: Float64Array): boolean {
  return (
    sum(cells, TARGET.trials) === trials && sum(cells, TARGET.errors) === errors && sum(cells, TARGET.runs) === runs
  );
}

/** Errors before trials, runs before errors: what is counted meanwhile is then never an error without its trial. */
function readCounts(cells: Float64Array): TargetCounts {
  const runs = sum(cells, TARGET.runs);
  const errors = sum(cells, TARGET.errors);
  return { trials: sum(cells, TARGET.trials), errors, runs };
}

function sum(cells: Float64Array, cell: number): number {
  let total = 0;
  for (let i = cell; i < cells.length; i += TARGET.size) total += cells[i] ?? 0;
  return total;
}

function toEvent({ service, upstream, policy, targets }: WatchedUpstream, change: Change, clock: Clock): NewEvent {
  const at = clock.wallMs();
  const where = { upstream, target: targets[change.index]?.url ?? '', ...(policy.dryRun ? { dryRun: true } : {}) };
  const { ejection } = change;
  if (change.kind === 'returned') {
    const data = { ...where, reason: change.reason, ejectedMs: Math.round(clock.monotonicMs() - ejection.sinceMs) };
    return { type: 'target.returned', service, actor: 'tealgate', at, data };
  }
  const { reason, errors, trials } = change.evidence;
  const forMs = ejection.untilMs - ejection.sinceMs;
  const data = { ...where, reason, errors, trials, forMs, untilAt: at + forMs, strikes: change.strikes };
  return { type: 'target.ejected', service, actor: 'tealgate', at, data };
}
