import type { GroupConfig, RolloutPlan } from '../../config/config.ts';
import { TealgateError } from '../../platform/errors.ts';
import { created, createRollout } from '../../rollout/create.ts';
import type { Rollout, RolloutGroup } from '../../rollout/rollout.ts';
import { operateTogether } from '../../rollout/together.ts';
import type { Applied, Command, GroupAction } from '../control-plane.ts';
import type { Core, ServiceProposal, ServiceState } from '../core.ts';
import { own } from '../desired/effective.ts';
import { takenIds } from '../desired/rollouts.ts';
import { switchTo } from '../desired/switch.ts';
import { proposeUpdate } from '../rollout-proposal.ts';
import { type GroupRollouts, groupRollouts, newestGroupRollouts } from '../views/group-view.ts';
import { expectReachable } from './reachable.ts';
import { refuseDuringRollout } from './refuse.ts';
import { afterStopping, expectStartable } from './rollout.ts';

/** Upstream by service. */
type Candidates = Readonly<Record<string, string>>;

export interface GroupStart {
  /** The candidate of all services, or of each. */
  readonly to: string | Candidates;
  /** The plan of a service: what the call gives over the service's own. */
  readonly plan: (service: string) => RolloutPlan;
  readonly replace: boolean;
}

/** Throws `not_found`. */
export function groupConfig(core: Core, group: string): GroupConfig {
  const { groups } = core.current().config;
  const config = own(groups, group);
  if (config !== undefined) return config;
  const known = Object.keys(groups).join(', ') || 'none';
  throw new TealgateError('not_found', `there is no group "${group}" in the configuration; it has ${known}`);
}

/** Starts a rollout of each service of a group, in one commit. */
export async function startGroupRollout(core: Core, group: string, start: GroupStart, by: Command): Promise<void> {
  const { services } = groupConfig(core, group);
  const to = candidatesOf(group, services, start.to);
  const decide = (states: readonly ServiceState[]): readonly ServiceProposal[] => {
    const at = core.parts.clock.wallMs();
    const before = states.map((state) =>
      start.replace
        ? afterStopping(state, { actor: by.actor, at, together: services })
        : { state, events: [], journal: [] },
    );
    const taken = [...takenIds(core.current().desired)];
    const rollouts = before.map(({ state }) => {
      const candidate = to[state.name] ?? '';
      expectStartable(state, candidate);
      const plan = start.plan(state.name);
      const side = { service: state.name, from: state.effective.stable, to: candidate };
      const rollout = createRollout({ ...side, plan, actor: by.actor, at, taken });
      taken.push(rollout.id);
      return rollout;
    });
    expectSameStages(rollouts);
    expectSameEnd(rollouts);
    const common: RolloutGroup = { name: group, id: `g${rollouts[0]?.id ?? ''}`, services };
    return before.map(({ state, events, journal }, i) => {
      const rollout = rollouts[i];
      if (rollout === undefined) return { desired: state.desired };
      const proposal = proposeUpdate(state, created({ ...rollout, group: common }), at);
      return {
        ...proposal,
        events: [...events, ...(proposal.events ?? [])],
        journal: [...journal, ...(proposal.journal ?? [])],
      };
    });
  };
  const states = services.map((service) => core.service(service));
  decide(states);
  await Promise.all(states.map((state) => expectReachable(core, state, to[state.name] ?? '')));
  await core.changeServices(services, by, decide);
}

/** `expect` throws where the rollouts are not as the caller has seen them. */
export interface GroupOperator extends Command {
  readonly expect?: (rollouts: readonly Rollout[]) => void;
}

/** Promote, abort, pause or resume all rollouts of a group, in one commit. */
export async function operateGroup(
  core: Core,
  group: string,
  action: GroupAction,
  by: GroupOperator,
): Promise<readonly Applied[]> {
  const { services } = newestOf(core, group);
  return core.changeServices(services, by, (states) => {
    const at = core.parts.clock.wallMs();
    const { rollouts } = expectRollouts(group, states);
    by.expect?.(rollouts);
    const updates = operateTogether(rollouts, action, by.actor, at);
    return states.map((state, i) => {
      const update = updates[i];
      return update === undefined || update.rollout === rollouts[i] ? null : proposeUpdate(state, update, at);
    });
  });
}

/** Switches every service back to what was stable before the last promoted rollout of the group, in one commit. */
export async function undoGroup(core: Core, group: string, by: Command): Promise<readonly Applied[]> {
  const { services } = newestOf(core, group);
  const decide = (states: readonly ServiceState[]): readonly (ServiceProposal | null)[] => {
    const at = core.parts.clock.wallMs();
    const { rollouts } = expectRollouts(group, states);
    return states.map((state, i) => undoOne(group, state, rollouts[i], at));
  };
  const states = services.map((service) => core.service(service));
  const proposals = decide(states);
  const { rollouts } = expectRollouts(group, states);
  const moved = states.filter((_, i) => proposals[i] !== null);
  await Promise.all(
    moved.map((state) => expectReachable(core, state, fromOf(rollouts, state.name), 'switch each service by itself')),
  );
  return core.changeServices(services, by, decide);
}

function undoOne(group: string, state: ServiceState, rollout: Rollout | undefined, at: number): ServiceProposal | null {
  refuseDuringRollout(state, 'undo');
  if (rollout?.position.phase !== 'promoted') {
    throw new TealgateError(
      'conflict',
      `there is nothing to undo: the last rollout of group ${group} was not promoted`,
    );
  }
  const { from, to } = rollout;
  const { stable } = state.effective;
  if (stable !== from && stable !== to) {
    const message = `cannot undo: ${stable} is stable in ${state.name} by now, which the rollout of group ${group} did not promote`;
    throw new TealgateError('conflict', message);
  }
  if (own(state.config.upstreams, from) === undefined) {
    const message = `cannot undo: ${from}, which was stable in ${state.name} before, is no longer in the configuration`;
    throw new TealgateError('conflict', message);
  }
  const desired = switchTo(state.config, state.desired, from, at);
  if (desired === state.desired) return null;
  return { desired, events: [{ type: 'traffic.switched', data: { from: stable, to: from, forced: false } }] };
}

/** Of the services that it began with, whatever the file says of the group by now. */
function newestOf(core: Core, group: string): GroupRollouts {
  groupConfig(core, group);
  return newestGroupRollouts(core, group) ?? refuseWithout(group);
}

/** The newest rollouts of a group. Throws `conflict` when there are none. */
function expectRollouts(group: string, states: readonly ServiceState[]): GroupRollouts {
  const found = groupRollouts(
    group,
    states.map(({ desired }) => desired),
  );
  return found ?? refuseWithout(group);
}

function refuseWithout(group: string): never {
  throw new TealgateError('conflict', `group ${group} never had a rollout; start one`);
}

function fromOf(rollouts: readonly Rollout[], service: string): string {
  return rollouts.find((rollout) => rollout.service === service)?.from ?? '';
}

/** Throws `bad_request` unless each service has one. */
function candidatesOf(group: string, services: readonly string[], to: string | Candidates): Candidates {
  if (typeof to === 'string') return Object.fromEntries(services.map((service) => [service, to]));
  const missing = services.filter((service) => own(to, service) === undefined);
  const unknown = Object.keys(to).filter((service) => !services.includes(service));
  if (missing.length === 0 && unknown.length === 0) return to;
  const mend = `give one upstream, or one for each of ${services.join(', ')}`;
  throw new TealgateError('bad_request', `\`to\` does not fit the services of group ${group}; ${mend}`);
}

/**
 * A shadow ends with a question, a plan of any other kind with a promotion; and a member whose candidate answers nobody
 * has no part in one that is released. Throws `conflict`.
 */
function expectSameEnd(rollouts: readonly Rollout[]): void {
  const shadows = rollouts.filter(({ plan }) => plan.strategy === 'shadow');
  if (shadows.length === 0 || shadows.length === rollouts.length) return;
  const names = shadows.map(({ service }) => service).join(', ');
  const message = `only ${names} would be shadowed; in a group all plans are shadows, or none of them`;
  throw new TealgateError('conflict', message);
}

/** Stages are gone through together. Throws `conflict`. */
function expectSameStages(rollouts: readonly Rollout[]): void {
  const counts = rollouts.map(({ service, plan }) => `${service} has ${plan.stages.length}`);
  if (new Set(rollouts.map(({ plan }) => plan.stages.length)).size <= 1) return;
  const message = `the plans of the group differ in their stages (${counts.join(', ')}); give all of them the same number, or \`stages\` in the call`;
  throw new TealgateError('conflict', message);
}
