import type { RolloutAction } from '../../app/control-plane.ts';
import { TealgateError } from '../../platform/errors.ts';
import { explain } from '../../rollout/explain.ts';
import { json, type Route, route } from '../route.ts';
import {
  emptyBody,
  journalQuery,
  previewRolloutBody,
  rolloutParams,
  serviceParams,
  startRolloutBody,
} from '../schemas/requests.ts';
import {
  explanationAnswer,
  journalAnswer,
  previewAnswer,
  rolloutAnswer,
  rolloutsAnswer,
  startedAnswer,
} from '../schemas/rollout.ts';
import { rolloutView } from '../views.ts';

/** Entries in one answer. */
const JOURNAL_PAGE = 500;

const ACTIONS: Readonly<Record<RolloutAction, string>> = {
  promote: 'Make the candidate stable now, whatever stages are left.',
  abort: 'Send all new traffic back to stable.',
  pause: 'Stay at this stage until resumed; guards go on judging.',
  resume: 'Go on with a paused rollout.',
  retry: 'Run an ended rollout again, with the same plan.',
};

export const rolloutRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/services/{service}/rollouts',
    operationId: 'startRollout',
    tag: 'rollouts',
    summary: 'Start a rollout.',
    access: 'operator',
    params: serviceParams,
    body: startRolloutBody,
    success: { status: 201, description: 'It runs; `power` says what its stages can see.', schema: startedAnswer },
    errors: [404, 409, 412],
    async handle({ control, params: { service }, body: { to, replace = false, ...plan }, command }) {
      const rollout = await control.startRollout(service, to, plan, { ...command(service), replace });
      const answer = { ...rolloutView(rollout), power: control.power(service, rollout.plan) };
      return json(answer, 201, {
        location: `/v1/services/${encodeURIComponent(service)}/rollouts/current`,
      });
    },
  }),
  route({
    method: 'POST',
    path: '/v1/services/{service}/rollouts/plan',
    operationId: 'planRollout',
    tag: 'rollouts',
    summary: 'What a rollout would be and could see. Starts nothing.',
    access: 'viewer',
    params: serviceParams,
    body: previewRolloutBody,
    success: { status: 200, description: 'By the traffic of the last minute.', schema: previewAnswer },
    errors: [404],
    async handle({ control, params: { service }, body: { to, rate, ...plan } }) {
      const given = rate === undefined ? {} : { requestsPerSecond: rate };
      return json(await control.previewRollout(service, to, plan, given));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/services/{service}/rollouts',
    operationId: 'listRollouts',
    tag: 'rollouts',
    summary: 'The rollouts of a service.',
    access: 'viewer',
    params: serviceParams,
    success: { status: 200, description: 'Newest first.', schema: rolloutsAnswer },
    errors: [404],
    handle: ({ control, params }) => json({ rollouts: control.service(params.service).rollouts.map(rolloutView) }),
  }),
  route({
    method: 'GET',
    path: '/v1/services/{service}/rollouts/current',
    operationId: 'currentRollout',
    tag: 'rollouts',
    summary: 'The newest rollout, running or ended, with stage, verdicts and evidence.',
    access: 'viewer',
    params: serviceParams,
    success: { status: 200, description: 'As it is now.', schema: rolloutAnswer },
    errors: [404],
    handle({ control, params: { service } }) {
      const { rollout } = control.service(service);
      if (rollout === null) throw new TealgateError('not_found', `${service} has not had a rollout`);
      return json(rolloutView(rollout));
    },
  }),
  route({
    method: 'GET',
    path: '/v1/services/{service}/rollouts/{rollout}',
    operationId: 'getRollout',
    tag: 'rollouts',
    summary: 'One of the rollouts of a service.',
    access: 'viewer',
    params: rolloutParams,
    success: { status: 200, description: 'As it is now.', schema: rolloutAnswer },
    errors: [404],
    handle: ({ control, params: { service, rollout } }) => json(rolloutView(control.rollout(service, rollout))),
  }),
  route({
    method: 'GET',
    path: '/v1/services/{service}/rollouts/{rollout}/explanation',
    operationId: 'explainRollout',
    tag: 'rollouts',
    summary: 'Why a rollout went as it did, in plain language.',
    access: 'viewer',
    params: rolloutParams,
    success: { status: 200, description: 'By what is stored of it.', schema: explanationAnswer },
    errors: [404],
    handle: ({ control, params: { service, rollout } }) => json(explain(control.rollout(service, rollout))),
  }),
  route({
    method: 'GET',
    path: '/v1/services/{service}/rollouts/{rollout}/journal',
    operationId: 'rolloutJournal',
    tag: 'rollouts',
    summary: 'What moved a rollout, for `tealgate replay`.',
    access: 'viewer',
    params: rolloutParams,
    query: journalQuery,
    success: { status: 200, description: 'One page.', schema: journalAnswer },
    errors: [404],
    handle: ({ control, params: { service, rollout }, query: { after = 0 } }) =>
      json(control.journal(service, rollout, { after, limit: JOURNAL_PAGE })),
  }),
  ...Object.entries(ACTIONS).map(([action, summary]) => operation(action as RolloutAction, summary)),
];

function operation(action: RolloutAction, summary: string): Route {
  return route({
    method: 'POST',
    path: `/v1/services/{service}/rollouts/current/${action}`,
    operationId: action,
    tag: 'rollouts',
    summary: `${summary} Repeating the call is harmless.`,
    access: 'operator',
    params: serviceParams,
    body: emptyBody,
    success: { status: 200, description: 'As it is now.', schema: rolloutAnswer },
    errors: [404, 409, 412],
    async handle({ control, params: { service }, command }) {
      return json(rolloutView(await control.operateRollout(service, action, command(service))));
    },
  });
}
