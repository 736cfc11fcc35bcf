import { TealgateError } from '../../platform/errors.ts';
import type { Applied, Command } from '../control-plane.ts';
import type { Core, ServiceState } from '../core.ts';
import { own } from '../desired/effective.ts';
import { runningRollout } from '../desired/rollouts.ts';
import { setTargets } from '../desired/targets.ts';
import { expectUpstream } from './refuse.ts';

export function changeTargets(
  core: Core,
  service: string,
  upstream: string,
  targets: readonly string[],
  by: Command,
): Promise<Applied> {
  return core.changeService(service, by, (state) => {
    expectUpstream(state, upstream);
    if (targets.length === 0) expectIdle(state, upstream);
    return { desired: setTargets(state.config, state.desired, upstream, targets) };
  });
}

/** Throws `conflict`: an upstream with traffic, or about to get some, cannot be without targets. */
function expectIdle({ name, desired, effective }: ServiceState, upstream: string): void {
  const setting = own(effective.upstreams, upstream);
  const rollout = runningRollout(desired);
  if (rollout?.to === upstream || rollout?.from === upstream) {
    throw new TealgateError(
      'conflict',
      `${upstream} is part of the rollout of ${name}; abort it before taking all targets away`,
    );
  }
  if (setting?.admin === 'draining' || setting?.weight === 0) return;
  throw new TealgateError(
    'conflict',
    `${upstream} of ${name} takes traffic; set its weight to 0 before taking all targets away`,
  );
}
