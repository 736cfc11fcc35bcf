import type { Accounts } from './accounts.ts';
import { type Check, type Expectation, judge } from './expectation.ts';
import type { RolloutReading } from './gate-port.ts';
import type { Measures } from './metrics.ts';
import type { Measurement } from './run.ts';
import type { ScenarioName } from './scenario-names.ts';
import type { Latencies } from './tally.ts';

/** What was asked for. */
export interface Asked {
  readonly url: string;
  readonly scenario: ScenarioName;
  /** null where only a URL was driven. */
  readonly service: string | null;
  /** Requests per second; null in a closed loop. */
  readonly rate: number | null;
  readonly connections: number;
  readonly warmupMs: number;
  readonly expectations: readonly Expectation[];
}

/** The result of a load test: what `--json` prints, and what every other form is made of. */
export interface Report extends Omit<Asked, 'expectations'> {
  readonly ok: boolean;
  /** ISO 8601. */
  readonly startedAt: string;
  /** Of the measured part. */
  readonly durationMs: number;
  readonly requests: number;
  readonly answered: number;
  readonly errors: number;
  /** Of the errors: without a connection, with one that broke, without an answer in time. */
  readonly refused: number;
  readonly dropped: number;
  readonly timeouts: number;
  readonly non2xx: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Whole answers per second, until the last of them. */
  readonly answersPerSecond: number;
  /** Due and not sent, as no connection was free in time. */
  readonly unsent: number;
  readonly latencyMs: Latencies | null;
  readonly warmup: { readonly requests: number; readonly errors: number; readonly non2xx: number };
  readonly upstreams: readonly UpstreamReport[];
  readonly accounts: Accounts | null;
  readonly operations: Readonly<Record<string, number>>;
  readonly rollout: Omit<RolloutReading, 'ended'> | null;
  readonly checks: readonly Check[];
  readonly problems: readonly string[];
  /** Where the output of the spawned processes is; null where there is none, or it was not kept. */
  readonly logs: string | null;
}

/** By the gate's own counts over the whole load, warm-up included. */
export interface UpstreamReport {
  readonly name: string;
  /** This and the next three: null where no gate was read. */
  readonly requests: number | null;
  readonly attempts: number | null;
  readonly failed: number | null;
  readonly retries: number | null;
  /** By the answers' `x-tealgate-upstream`, warm-up left out; null where the gate does not expose it. */
  readonly answered: number | null;
}

/** Judges a measurement. `logs` may be given later, by whoever keeps them. */
export function makeReport(asked: Asked, startedAt: Date, measurement: Measurement): Report {
  const { expectations, ...rest } = asked;
  const { measured, warmup, accounts, durationMs, unsent, problems, rollout } = measurement;
  const measures = measuresOf(measurement);
  const bases = {
    requests: measured.requests,
    sent: measured.sent + warmup.sent,
    targetRate: asked.rate,
  };
  const checks = expectations.map((expectation) => judge(expectation, measures, bases));
  return {
    ok: problems.length === 0 && checks.every(({ ok }) => ok),
    ...rest,
    startedAt: startedAt.toISOString(),
    durationMs: Math.round(durationMs),
    requests: measured.requests,
    answered: measured.answered,
    errors: measured.errors,
    refused: measured.refused,
    dropped: measured.dropped,
    timeouts: measured.timeouts,
    non2xx: measured.non2xx,
    statuses: Object.fromEntries([...measured.statuses].sort(([a], [b]) => a - b)),
    answersPerSecond: measures.rate ?? 0,
    unsent,
    latencyMs: measured.latencies(),
    warmup: { requests: warmup.requests, errors: warmup.errors, non2xx: warmup.non2xx },
    upstreams: upstreamReports(measurement),
    accounts,
    operations: Object.fromEntries(measurement.operations),
    rollout: rollout === null ? null : { id: rollout.id, phase: rollout.phase, reason: rollout.reason },
    checks,
    problems,
    logs: null,
  };
}

function measuresOf({ measured, answeringMs, unsent, accounts, rollout }: Measurement): Measures {
  const latencies = measured.latencies();
  return {
    errors: measured.errors,
    non2xx: measured.non2xx,
    timeouts: measured.timeouts,
    unsent,
    lost: accounts?.lost ?? null,
    rate: answeringMs === 0 ? 0 : (measured.answered * 1000) / answeringMs,
    p50: latencies?.p50 ?? null,
    p90: latencies?.p90 ?? null,
    p95: latencies?.p95 ?? null,
    p99: latencies?.p99 ?? null,
    'p99.9': latencies?.['p99.9'] ?? null,
    max: latencies?.max ?? null,
    requests: measured.requests,
    promoted: rollout?.phase === 'promoted' ? 1 : 0,
    rolled_back: rollout?.phase === 'rolled_back' ? 1 : 0,
  };
}

function upstreamReports({ upstreams, measured }: Measurement): UpstreamReport[] {
  const exposed = measured.byUpstream.size > 0;
  const names = new Set([...Object.keys(upstreams), ...measured.byUpstream.keys()]);
  return [...names].map((name) => {
    const gains = upstreams[name];
    return {
      name,
      requests: gains?.requests ?? null,
      attempts: gains?.trials ?? null,
      failed: gains?.errors ?? null,
      retries: gains?.retries ?? null,
      answered: exposed ? (measured.byUpstream.get(name) ?? 0) : null,
    };
  });
}
