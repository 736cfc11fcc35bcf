import type { Applied, ServiceView } from '../../app/control-plane.ts';
import { TealgateError } from '../../platform/errors.ts';
import { etagOf } from '../precondition.ts';
import { type Answer, json, type Route, type RouteDeps, route } from '../route.ts';
import {
  businessBody,
  emptyBody,
  serviceParams,
  switchBody,
  targetsBody,
  upstreamParams,
  waitQuery,
  weightsBody,
} from '../schemas/requests.ts';
import { appliedAnswer, businessAnswer, overviewSchema, serviceSchema } from '../schemas/service.ts';
import { appliedView, weightsOf } from '../views.ts';

const IF_MATCH = { name: 'If-Match', description: 'ETag of the service as last seen; 412 when it has changed since.' };
const APPLIED = { status: 200, description: 'Every worker serves it.', schema: appliedAnswer };
const COMMAND = { method: 'POST', tag: 'services', access: 'operator', headers: [IF_MATCH], success: APPLIED } as const;

export const serviceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/services',
    operationId: 'listServices',
    tag: 'services',
    summary: 'The gate and all its services.',
    access: 'viewer',
    success: { status: 200, description: 'As served now; ETag is the snapshot version.', schema: overviewSchema },
    handle({ control }) {
      const overview = control.overview();
      return json(overview, 200, { etag: etagOf(overview.version) });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/services/{service}',
    operationId: 'getService',
    tag: 'services',
    summary: 'One service: weights, targets with health, admin state and ejection, in-flight, the rollout.',
    access: 'viewer',
    params: serviceParams,
    success: { status: 200, description: 'As served now; ETag is its version.', schema: serviceSchema },
    errors: [404],
    handle({ control, params }) {
      const service = control.service(params.service);
      return json(service, 200, { etag: etagOf(service.version) });
    },
  }),
  route({
    ...COMMAND,
    method: 'PUT',
    path: '/v1/services/{service}/weights',
    operationId: 'setWeights',
    summary: 'Set the weights it names, all at once.',
    params: serviceParams,
    body: weightsBody,
    errors: [404, 409, 412],
    async handle({ control, params, body, command }) {
      checkWeights(control.service(params.service), body);
      return applied(await control.setWeights(params.service, body, command(params.service)));
    },
  }),
  route({
    ...COMMAND,
    path: '/v1/services/{service}/switch',
    operationId: 'switch',
    summary: 'Send all new traffic to one upstream; the others drain.',
    params: serviceParams,
    query: waitQuery,
    body: switchBody,
    errors: [404, 409, 412],
    async handle({ control, params, query, body, command, signal }) {
      const { to, force } = body;
      knownUpstream(control.service(params.service), to);
      const by = { ...command(params.service), ...(force === undefined ? {} : { force }) };
      const done = await control.switchTo(params.service, to, by);
      if (query.wait === undefined) return applied(done);
      const others = Object.values(done.service.upstreams).filter(({ name, weight }) => name !== to && weight === 0);
      return drained({ control, done, upstreams: others.map(({ name }) => name), signal });
    },
  }),
  route({
    ...COMMAND,
    path: '/v1/services/{service}/upstreams/{upstream}/drain',
    operationId: 'drain',
    summary: 'Send no request to an upstream, pinned or not; what is in flight finishes.',
    params: upstreamParams,
    query: waitQuery,
    body: emptyBody,
    errors: [404, 409, 412],
    async handle({ control, params: { service, upstream }, query, command, signal }) {
      knownUpstream(control.service(service), upstream);
      const done = await control.drain(service, upstream, command(service));
      return query.wait === undefined ? applied(done) : drained({ control, done, upstreams: [upstream], signal });
    },
  }),
  route({
    ...COMMAND,
    path: '/v1/services/{service}/upstreams/{upstream}/evict',
    operationId: 'evict',
    summary: 'Break the pins of an upstream: its clients are assigned anew.',
    params: upstreamParams,
    body: emptyBody,
    errors: [404, 412],
    async handle({ control, params: { service, upstream }, command }) {
      knownUpstream(control.service(service), upstream);
      return applied(await control.evict(service, upstream, command(service)));
    },
  }),
  route({
    ...COMMAND,
    path: '/v1/services/{service}/upstreams/{upstream}/enable',
    operationId: 'enable',
    summary: 'Take a drained upstream back in.',
    params: upstreamParams,
    body: emptyBody,
    errors: [404, 412],
    async handle({ control, params: { service, upstream }, command }) {
      knownUpstream(control.service(service), upstream);
      return applied(await control.enable(service, upstream, command(service)));
    },
  }),
  route({
    ...COMMAND,
    method: 'PUT',
    path: '/v1/services/{service}/upstreams/{upstream}/targets',
    operationId: 'setTargets',
    summary: 'Replace the targets of an upstream; those that leave finish what they have in flight.',
    params: upstreamParams,
    body: targetsBody,
    errors: [404, 409, 412],
    async handle({ control, params: { service, upstream }, body, command }) {
      knownUpstream(control.service(service), upstream);
      return applied(await control.setTargets(service, upstream, body.targets, command(service)));
    },
  }),
  route({
    ...COMMAND,
    path: '/v1/services/{service}/undo',
    operationId: 'undo',
    tag: 'rollouts',
    summary: 'Switch back to the upstream that was stable before the last promoted rollout.',
    params: serviceParams,
    body: emptyBody,
    errors: [404, 409, 412],
    async handle({ control, params, command }) {
      return applied(await control.undo(params.service, command(params.service)));
    },
  }),
  route({
    method: 'POST',
    path: '/v1/services/{service}/business',
    operationId: 'reportBusiness',
    tag: 'services',
    summary: 'Report what happened in the business, for guards of that kind.',
    access: 'operator',
    params: serviceParams,
    body: businessBody,
    success: { status: 200, description: 'The totals since the gate started.', schema: businessAnswer },
    errors: [404],
    handle: ({ control, params, body }) => json(control.reportBusiness(params.service, body)),
  }),
];

function applied(done: Applied, more: { readonly drained?: true } = {}): Answer {
  return json({ ...appliedView(done), ...more }, 200, { etag: etagOf(done.service.version) });
}

interface Waiting {
  readonly control: RouteDeps['control'];
  readonly done: Applied;
  readonly upstreams: readonly string[];
  readonly signal: AbortSignal;
}

async function drained({ control, done, upstreams, signal }: Waiting): Promise<Answer> {
  const { name } = done.service;
  await Promise.all(upstreams.map((upstream) => control.waitDrained(name, upstream, signal)));
  return applied({ version: done.version, service: control.service(name) }, { drained: true });
}

function knownUpstream(service: ServiceView, upstream: string): void {
  if (Object.hasOwn(service.upstreams, upstream)) return;
  throw new TealgateError('not_found', unknownUpstream(service, upstream));
}

function checkWeights(service: ServiceView, weights: Readonly<Record<string, number>>): void {
  const problems = Object.keys(weights)
    .filter((name) => !Object.hasOwn(service.upstreams, name))
    .map((name) => unknownUpstream(service, name));
  if (problems.length > 0) throw new TealgateError('bad_request', problems[0] ?? '', { details: { problems } });
  if (Object.values({ ...weightsOf(service), ...weights }).some((weight) => weight > 0)) return;
  throw new TealgateError('bad_request', `all weights of ${service.name} would be 0; give one upstream a weight`);
}

function unknownUpstream({ name, upstreams }: ServiceView, upstream: string): string {
  return `${name} has no upstream ${JSON.stringify(upstream)}; it has ${Object.keys(upstreams).join(', ')}`;
}
