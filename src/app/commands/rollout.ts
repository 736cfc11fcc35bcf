import type { RolloutPlan } from '../../config/config.ts';
import { TealgateError } from '../../platform/errors.ts';
import { created, createRollout } from '../../rollout/create.ts';
import { operate, stopAtOnce, undoTarget } from '../../rollout/operate.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import type { Applied, Command, RolloutAction } from '../control-plane.ts';
import type { Core, ServiceProposal, ServiceState } from '../core.ts';
import { effectiveService, own } from '../desired/effective.ts';
import { newestRollout, runningRollout, takenIds } from '../desired/rollouts.ts';
import { proposeUpdate } from '../rollout-proposal.ts';
import { expectReachable } from './reachable.ts';
import { expectUpstream, refuseAlone } from './refuse.ts';
import { switchUpstream } from './switch.ts';

export async function startRollout(
  core: Core,
  service: string,
  to: string,
  plan: RolloutPlan,
  by: Command & { readonly replace?: boolean },
): Promise<Applied> {
  const decide = (current: ServiceState): ServiceProposal => {
    const at = core.parts.clock.wallMs();
    const nothing = { state: current, events: [], journal: [] };
    const { state, events, journal } = by.replace === true ? afterStopping(current, { actor: by.actor, at }) : nothing;
    expectStartable(state, to);
    const taken = takenIds(core.current().desired);
    const from = state.effective.stable;
    const rollout = createRollout({ service, from, to, plan, actor: by.actor, at, taken });
    const proposal = proposeUpdate(state, created(rollout), at);
    return {
      ...proposal,
      events: [...events, ...(proposal.events ?? [])],
      journal: [...journal, ...(proposal.journal ?? [])],
    };
  };
  const state = core.service(service);
  decide(state);
  await expectReachable(core, state, to);
  return core.changeService(service, by, decide);
}

interface AfterStopping {
  readonly state: ServiceState;
  readonly events: NonNullable<ServiceProposal['events']>;
  readonly journal: NonNullable<ServiceProposal['journal']>;
}

interface Stopping {
  readonly actor: string;
  readonly at: number;
  /** Services whose rollouts make room in the same commit; default this one. */
  readonly together?: readonly string[];
}

/**
 * What is left when a rollout that runs is aborted to make room, in the same commit. Throws `conflict` once it is promoting,
 * and when it goes together with others that stay.
 */
export function afterStopping(state: ServiceState, { actor, at, together = [state.name] }: Stopping): AfterStopping {
  const running = runningRollout(state.desired);
  if (running === null) return { state, events: [], journal: [] };
  if (running.group?.services.every((service) => together.includes(service)) !== true) refuseAlone(running, 'replace');
  const { desired, events = [], journal = [] } = proposeUpdate(state, stopAtOnce(running, actor, at), at);
  return { state: { ...state, desired, effective: effectiveService(state.config, desired) }, events, journal };
}

/** `expect` throws where the rollout is not as the caller has seen it. */
export interface Operator extends Command {
  readonly expect?: (rollout: Rollout | null) => void;
}

/** Promote, abort, pause, resume or retry the newest rollout. */
export async function operateRollout(
  core: Core,
  service: string,
  action: RolloutAction,
  by: Operator,
): Promise<Applied> {
  const decide = (state: ServiceState): ServiceProposal | null => {
    const rollout = newestRollout(state.desired);
    by.expect?.(rollout);
    if (rollout === null) throw new TealgateError('conflict', `${service} never had a rollout; start one`);
    refuseAlone(rollout, action);
    const at = core.parts.clock.wallMs();
    const update = operate(rollout, action, by.actor, at, takenIds(core.committed().desired));
    if (update.rollout === rollout) return null;
    if (update.rollout.id !== rollout.id) expectRepeatable(state, update.rollout);
    return proposeUpdate(state, update, at);
  };
  const state = core.service(service);
  const begins = action === 'retry' && decide(state) !== null;
  if (begins) await expectReachable(core, state, newestRollout(state.desired)?.to ?? '');
  return core.changeService(service, by, decide);
}

/** Back to the upstream that was stable before the last promoted rollout. */
export async function undoRollout(core: Core, service: string, by: Command): Promise<Applied> {
  const state = core.service(service);
  const to = undoTarget(state.desired.rollouts);
  if (to === null)
    throw new TealgateError('conflict', `there is nothing to undo: no rollout of ${service} was promoted`);
  if (own(state.config.upstreams, to) === undefined) {
    throw new TealgateError(
      'conflict',
      `cannot undo: ${to}, which was stable before, is no longer in the configuration`,
    );
  }
  return switchUpstream(core, service, to, by, { force: false, verb: 'undo' });
}

/** Throws `conflict` or `not_found`. */
export function expectStartable(state: ServiceState, to: string): void {
  expectUpstream(state, to);
  const running = runningRollout(state.desired);
  if (running !== null) {
    const { phase } = running.position;
    const message = `a rollout of ${state.name} to ${running.to} is ${phase} already; promote or abort it first, replace it, or wait until it has ended`;
    throw new TealgateError('conflict', message, { details: { rollout: running.id, phase } });
  }
  const { stable, upstreams } = state.effective;
  for (const [name, { weight, admin }] of Object.entries(upstreams)) {
    if (weight === 0 || admin === 'draining' || name === stable || name === to) continue;
    const message = `${name} has traffic too, and a rollout moves traffic between two upstreams; set the weight of ${name} to 0 first`;
    throw new TealgateError('conflict', message);
  }
}

/** A retry begins where the first one did: throws `conflict` when traffic has been moved elsewhere since. */
function expectRepeatable(state: ServiceState, { from, to }: { readonly from: string; readonly to: string }): void {
  expectStartable(state, to);
  if (state.effective.stable === from) return;
  const message = `${state.effective.stable} is stable by now, not ${from} as in the rollout to ${to}; start a new rollout instead`;
  throw new TealgateError('conflict', message);
}
