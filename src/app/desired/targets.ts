import type { ServiceConfig } from '../../config/config.ts';
import type { DesiredService } from '../desired.ts';
import { own } from './effective.ts';
import { overrideOf, sameValue } from './equal.ts';

/** Replaces an upstream's targets. */
export function setTargets(
  config: ServiceConfig,
  desired: DesiredService,
  upstream: string,
  targets: readonly string[],
): DesiredService {
  const { [upstream]: _, ...others } = desired.targets;
  const override = overrideOf(targets, own(config.upstreams, upstream)?.targets ?? [], sameValue);
  return { ...desired, targets: override === null ? others : { ...others, [upstream]: override } };
}
