import { readBlock, TARGET } from '../../traffic/ledger.ts';
import type { TargetView, UpstreamView } from '../control-plane.ts';
import type { CoreParts } from '../core.ts';
import type { TargetEntry } from '../registry.ts';

export function targetView(
  { health, outliers, clock }: Pick<CoreParts, 'health' | 'outliers' | 'clock'>,
  entry: TargetEntry,
  admin: UpstreamView['admin'],
): TargetView {
  const cells = readBlock(entry.ledger, TARGET.size);
  const cell = (index: number): number => cells[index] ?? 0;
  const { ejected, untilMs } = outliers.state(entry.id);
  return {
    url: entry.url,
    health: health.health(entry.id),
    admin: entry.removedSinceMs === null ? admin : 'removed',
    ejection: {
      ejected,
      untilAt: untilMs === null ? null : Math.round(clock.wallMs() + untilMs - clock.monotonicMs()),
    },
    inFlight: cell(TARGET.inFlight),
    upgrades: cell(TARGET.upgrades),
    connections: cell(TARGET.connections),
    attempts: cell(TARGET.attempts),
    failures: cell(TARGET.failures),
    probes: health.probes(entry.id),
  };
}
