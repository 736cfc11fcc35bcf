import type { Command, GroupAction, GroupView } from '../../app/control-plane.ts';
import { TealgateError } from '../../platform/errors.ts';
import type { Identity } from '../auth.ts';
import { json, type Route, route } from '../route.ts';
import { emptyBody, groupParams, startGroupBody } from '../schemas/requests.ts';
import { groupAnswer, groupRolloutAnswer, groupsAnswer } from '../schemas/rollout.ts';
import { groupRolloutView, groupView } from '../views.ts';

const ACTIONS: Readonly<Record<GroupAction, string>> = {
  promote: 'Make the candidates stable now, all at once, whatever stages are left.',
  abort: 'Send all new traffic of all services back to stable.',
  pause: 'Stay at this stage until resumed; guards go on judging.',
  resume: 'Go on with what is paused.',
};

/** Services that are promoted and rolled back as one. */
export const groupRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/groups',
    operationId: 'listGroups',
    tag: 'groups',
    summary: 'The configured groups, each with its newest rollout.',
    access: 'viewer',
    success: { status: 200, description: 'By name.', schema: groupsAnswer },
    handle: ({ control }) => json({ groups: Object.values(control.groups()).map(groupView) }),
  }),
  route({
    method: 'GET',
    path: '/v1/groups/{group}',
    operationId: 'getGroup',
    tag: 'groups',
    summary: 'A group, with its newest rollout.',
    access: 'viewer',
    params: groupParams,
    success: { status: 200, description: 'As it is now.', schema: groupAnswer },
    errors: [404],
    handle: ({ control, params: { group } }) => json(groupView(control.group(group))),
  }),
  route({
    method: 'POST',
    path: '/v1/groups/{group}/rollouts',
    operationId: 'startGroupRollout',
    tag: 'groups',
    summary: 'Start a rollout of all services of a group: stages are left together, and a rollback is that of all.',
    access: 'operator',
    params: groupParams,
    body: startGroupBody,
    success: { status: 201, description: 'It runs.', schema: groupRolloutAnswer },
    errors: [404, 409],
    async handle({ control, params: { group }, body: { to, replace = false, ...plan }, identity }) {
      const view = await control.startGroupRollout(group, to, plan, { ...commandBy(identity), replace });
      return json(current(view), 201, { location: `/v1/groups/${encodeURIComponent(group)}/rollouts/current` });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/groups/{group}/rollouts/current',
    operationId: 'currentGroupRollout',
    tag: 'groups',
    summary: 'The newest rollout of a group, running or ended, with that of each service.',
    access: 'viewer',
    params: groupParams,
    success: { status: 200, description: 'As it is now.', schema: groupRolloutAnswer },
    errors: [404],
    handle: ({ control, params: { group } }) => json(current(control.group(group))),
  }),
  ...Object.entries(ACTIONS).map(([action, summary]) => operation(action as GroupAction, summary)),
  route({
    method: 'POST',
    path: '/v1/groups/{group}/undo',
    operationId: 'undoGroup',
    tag: 'groups',
    summary: 'Switch every service back to what was stable before the last promoted rollout of the group.',
    access: 'operator',
    params: groupParams,
    body: emptyBody,
    success: { status: 200, description: 'Every worker serves it.', schema: groupAnswer },
    errors: [404, 409],
    async handle({ control, params: { group }, identity }) {
      return json(groupView(await control.undoGroup(group, commandBy(identity))));
    },
  }),
];

function operation(action: GroupAction, summary: string): Route {
  return route({
    method: 'POST',
    path: `/v1/groups/{group}/rollouts/current/${action}`,
    operationId: `${action}Group`,
    tag: 'groups',
    summary: `${summary} Repeating the call is harmless.`,
    access: 'operator',
    params: groupParams,
    body: emptyBody,
    success: { status: 200, description: 'As it is now.', schema: groupRolloutAnswer },
    errors: [404, 409],
    async handle({ control, params: { group }, identity }) {
      return json(current(await control.operateGroup(group, action, commandBy(identity))));
    },
  });
}

function commandBy(identity: Identity | null): Command {
  return { actor: identity?.actor ?? 'unknown' };
}

/** Throws `not_found` before the first. */
function current(view: GroupView) {
  const rollout = groupRolloutView(view);
  if (rollout === null) throw new TealgateError('not_found', `group ${view.name} has not had a rollout`);
  return rollout;
}
