import type { ServiceConfig } from '../../config/config.ts';
import type { DesiredService } from '../desired.ts';
import { effectiveService, weightsOf } from './effective.ts';
import { overrideOf, sameValue, sameWeights } from './equal.ts';

/**
 * While a rollout runs, weights and the stable side are its own to decide, even where they are what the file says: a
 * file that changes them meanwhile must not move its traffic. So they are written down as run-time changes.
 */
export function holdForRollout(config: ServiceConfig, desired: DesiredService): DesiredService {
  const { stable, upstreams } = effectiveService(config, desired);
  return {
    ...desired,
    weights: desired.weights ?? { value: weightsOf(upstreams), base: weightsOf(config.upstreams) },
    stable: desired.stable ?? { value: stable, base: config.stable },
  };
}

/** Once it has ended: what is the same as in the file is no run-time change any more. */
export function releaseFromRollout({ weights, stable, ...desired }: DesiredService): DesiredService {
  return {
    ...desired,
    weights: weights === null ? null : overrideOf(weights.value, weights.base, sameWeights),
    stable: stable === null ? null : overrideOf(stable.value, stable.base, sameValue),
  };
}
