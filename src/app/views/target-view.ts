import { readBlock, TARGET } from '../../traffic/ledger.ts';
import type { TargetView, UpstreamView } from '../control-plane.ts';
import type { CoreParts } from '../core.ts';
import type { TargetEntry } from '../registry.ts';

export function targetView(
  { health }: Pick<CoreParts, 'health'>,
  entry: TargetEntry,
  admin: UpstreamView['admin'],
): TargetView {
  const cells = readBlock(entry.ledger, TARGET.size);
  const cell = (index: number): number => cells[index] ?? 0;
  return {
    url: entry.url,
    health: health.health(entry.id),
    admin: entry.removedSinceMs === null ? admin : 'removed',
    ejection: { ejected: false, untilAt: null },
    inFlight: cell(TARGET.inFlight),
    upgrades: cell(TARGET.upgrades),
    connections: cell(TARGET.connections),
    attempts: cell(TARGET.attempts),
    failures: cell(TARGET.failures),
    probes: health.probes(entry.id),
  };
}
