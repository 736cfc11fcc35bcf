import { TealgateError } from '../../platform/errors.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import type { Core } from '../core.ts';

/** By its id, or the newest as `current`. Throws `not_found`. */
export function findRollout(core: Core, service: string, id: string): Rollout {
  const { rollouts } = core.service(service).desired;
  const found = id === 'current' ? rollouts[0] : rollouts.find((rollout) => rollout.id === id);
  if (found !== undefined) return found;
  const message =
    id === 'current' ? `${service} has not had a rollout` : `${service} has no rollout ${id}, or no longer knows it`;
  throw new TealgateError('not_found', message, { details: { service, rollout: id } });
}
