import type { ServiceConfig } from '../../config/config.ts';
import type { RoutingChange } from '../../rollout/ports.ts';
import type { DesiredService } from '../desired.ts';
import { drain, enable } from './draining.ts';
import { own } from './effective.ts';
import { setStable } from './stable.ts';
import { keepWarm } from './warm.ts';
import { replaceWeights } from './weights.ts';

/**
 * What a rollout's transition asks for, in order. Names that left the file meanwhile are passed over, so that a rollout
 * can still end.
 */
export function applyRoutingChanges(
  config: ServiceConfig,
  desired: DesiredService,
  changes: readonly RoutingChange[],
  at: number,
): DesiredService {
  return changes.reduce((state, change) => applyOne(config, state, change, at), desired);
}

function applyOne(config: ServiceConfig, desired: DesiredService, change: RoutingChange, at: number): DesiredService {
  switch (change.kind) {
    case 'weights':
      return replaceWeights(config, desired, known(config, change.weights));
    case 'stable':
      return isKnown(config, change.upstream) ? setStable(config, desired, change.upstream) : desired;
    case 'drain':
      return isKnown(config, change.upstream) ? drain(desired, change.upstream, at) : desired;
    case 'warm':
      return isKnown(config, change.upstream) ? keepWarm(desired, change.upstream, change.keepMs, at) : desired;
    case 'enable':
      return isKnown(config, change.upstream) ? enable(desired, change.upstream) : desired;
  }
}

function known(config: ServiceConfig, weights: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(weights).filter(([name]) => isKnown(config, name)));
}

function isKnown(config: ServiceConfig, upstream: string): boolean {
  return own(config.upstreams, upstream) !== undefined;
}
