import { fineQuantileMs } from '../../traffic/latency.ts';
import { readBlock, UPSTREAM } from '../../traffic/ledger.ts';
import type { UpstreamView } from '../control-plane.ts';
import type { CoreParts } from '../core.ts';
import type { EffectiveUpstream } from '../desired/effective.ts';
import type { WarmUpstream } from '../desired.ts';
import { type UpstreamEntry, upstreamIsEmpty } from '../registry.ts';
import { targetView } from './target-view.ts';

/** What was decided about an upstream. */
export interface UpstreamSetting {
  readonly role: UpstreamView['role'];
  /** Null when it has left the configuration and is kept until it is empty. */
  readonly effective: EffectiveUpstream | null;
  readonly drainTimeoutMs: number;
  readonly warm: WarmUpstream | null;
}

type Parts = Pick<CoreParts, 'health' | 'outliers' | 'latency' | 'clock'>;

export function upstreamView(parts: Parts, entry: UpstreamEntry, setting: UpstreamSetting): UpstreamView {
  const cells = readBlock(entry.ledger, UPSTREAM.size);
  const cell = (index: number): number => cells[index] ?? 0;
  const admin = setting.effective?.admin ?? 'draining';
  return {
    name: entry.name,
    role: setting.role,
    weight: setting.effective?.weight ?? 0,
    admin,
    drain: drainView(parts, entry, setting),
    ...warmView(setting.warm),
    inFlight: cell(UPSTREAM.inFlight),
    upgrades: cell(UPSTREAM.upgrades),
    pins: cell(UPSTREAM.pins),
    requests: cell(UPSTREAM.requests),
    trials: cell(UPSTREAM.trials),
    errors: cell(UPSTREAM.errors),
    retries: cell(UPSTREAM.retries),
    latencyMs: {
      p50: fineQuantileMs(cells, UPSTREAM.fine, 0.5),
      p99: fineQuantileMs(cells, UPSTREAM.fine, 0.99),
    },
    recentLatencyMs: parts.latency.of(entry),
    targets: [...entry.targets.values()].map((target) => targetView(parts, target, admin)),
  };
}

function drainView({ clock }: Parts, entry: UpstreamEntry, setting: UpstreamSetting): UpstreamView['drain'] {
  const removedSinceAt =
    entry.removedSinceMs === null ? null : clock.wallMs() - (clock.monotonicMs() - entry.removedSinceMs);
  const sinceAt = setting.effective?.drainingSinceAt ?? removedSinceAt;
  if (sinceAt === null) return null;
  return { sinceAt, deadlineAt: sinceAt + setting.drainTimeoutMs, drained: upstreamIsEmpty(entry) };
}

function warmView(warm: WarmUpstream | null): Pick<UpstreamView, 'warm'> {
  return warm === null ? {} : { warm: { sinceAt: warm.sinceAt, leftMs: warm.keepMs - warm.keptMs } };
}
