import type { ServiceConfig } from '../../config/config.ts';
import type { DesiredService } from '../desired.ts';
import { overrideOf, sameValue } from './equal.ts';

export function setStable(config: ServiceConfig, desired: DesiredService, upstream: string): DesiredService {
  return { ...desired, stable: overrideOf(upstream, config.stable, sameValue) };
}
