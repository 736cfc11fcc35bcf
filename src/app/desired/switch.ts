import type { ServiceConfig } from '../../config/config.ts';
import type { DesiredService } from '../desired.ts';
import { drain } from './draining.ts';
import { effectiveService } from './effective.ts';
import { setStable } from './stable.ts';
import { replaceWeights } from './weights.ts';

/**
 * All new traffic to one upstream, which becomes stable; those that had traffic drain. Switching back during a drain
 * cancels that drain. Changes nothing when `to` already has everything.
 */
export function switchTo(config: ServiceConfig, desired: DesiredService, to: string, at: number): DesiredService {
  const before = effectiveService(config, desired);
  const left = Object.entries(before.upstreams).flatMap(([name, { weight }]) =>
    name !== to && weight > 0 ? [name] : [],
  );
  const target = before.upstreams[to];
  if (left.length === 0 && before.stable === to && target?.admin === 'enabled' && target.weight > 0) return desired;
  const switched = setStable(config, replaceWeights(config, desired, { [to]: 100 }), to);
  return left.reduce((state, name) => drain(state, name, at), switched);
}
