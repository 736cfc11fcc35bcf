import type { ServiceConfig } from '../../config/config.ts';
import type { DesiredService } from '../desired.ts';
import { enable } from './draining.ts';
import { effectiveService, weightsOf } from './effective.ts';
import { overrideOf, sameWeights, type Weights } from './equal.ts';

/** Sets the named weights; the others keep theirs. An upstream that is given traffic stops draining. */
export function setWeights(config: ServiceConfig, desired: DesiredService, weights: Weights): DesiredService {
  const before = weightsOf(effectiveService(config, desired).upstreams);
  const given = Object.keys(weights).filter((name) => (weights[name] ?? 0) > 0);
  return given.reduce(enable, withWeights(config, desired, { ...before, ...weights }));
}

/** Gives all traffic that is not named weight 0. */
export function replaceWeights(config: ServiceConfig, desired: DesiredService, weights: Weights): DesiredService {
  const none = Object.fromEntries(Object.keys(config.upstreams).map((name) => [name, 0]));
  return setWeights(config, desired, { ...none, ...weights });
}

function withWeights(config: ServiceConfig, desired: DesiredService, value: Weights): DesiredService {
  return { ...desired, weights: overrideOf(value, weightsOf(config.upstreams), sameWeights) };
}
