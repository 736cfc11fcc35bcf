import { TealgateError } from '../../platform/errors.ts';
import { isPossible } from '../../rollout/operator.ts';
import { ENDED, type Phase, type Rollout } from '../../rollout/rollout.ts';
import type { ServiceState } from '../core.ts';
import { own } from '../desired/effective.ts';
import { runningRollout } from '../desired/rollouts.ts';

/** Throws `not_found`. */
export function expectUpstream({ name, effective }: ServiceState, upstream: string): void {
  if (own(effective.upstreams, upstream) !== undefined) return;
  const known = Object.keys(effective.upstreams).join(', ');
  throw new TealgateError('not_found', `${name} has no upstream "${upstream}"; it has ${known}`);
}

/** Throws `conflict` while a rollout decides over the service's traffic. */
export function refuseDuringRollout(state: ServiceState, what: string): void {
  const rollout = runningRollout(state.desired);
  if (rollout !== null) throw ruledByRollout(state, rollout, what);
}

/** Throws `conflict` while a rollout moves traffic to or from this upstream. */
export function refuseForRolloutSides(state: ServiceState, upstream: string, what: string): void {
  const rollout = runningRollout(state.desired);
  if (rollout !== null && (rollout.from === upstream || rollout.to === upstream)) {
    throw ruledByRollout(state, rollout, what);
  }
}

/** Throws `conflict` for the rollout of one service that goes together with others. */
export function refuseAlone({ service, group, position }: Rollout, what: string): void {
  if (group === undefined || ENDED.has(position.phase)) return;
  const message = `cannot ${what} the rollout of ${service} alone: it goes together with those of group ${group.name}; ${what} the group`;
  throw new TealgateError('conflict', message, { details: { group: group.name } });
}

function ruledByRollout({ name }: ServiceState, rollout: Rollout, what: string): TealgateError {
  const { phase } = rollout.position;
  const message = `cannot ${what}: the rollout of ${name} to ${rollout.to} is ${phase} and decides over its traffic; ${wayOut(phase)}`;
  return new TealgateError('conflict', message, { details: { rollout: rollout.id, phase } });
}

/** Only what the phase allows. */
function wayOut(phase: Phase): string {
  const hurry = isPossible('promote', phase) ? ', hurry it with promote' : '';
  const stop = isPossible('abort', phase) ? ', or take it back with abort' : '';
  return `wait until it has ended${hurry}${stop}`;
}
