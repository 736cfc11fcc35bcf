import { randomBytes } from 'node:crypto';
import { TealgateError } from '../../platform/errors.ts';
import { contentSecurityPolicy } from '../dashboard/page.ts';
import { renderLinkPage, renderLinkProblem } from '../link-page.ts';
import { type Answer, json, type Route, type RouteDeps, route } from '../route.ts';
import { linkParams, linkQuery } from '../schemas/links.ts';
import { emptyBody } from '../schemas/requests.ts';
import { rolloutAnswer } from '../schemas/rollout.ts';
import { rolloutView } from '../views.ts';

/** Links that notifications carry: their signature is what lets a caller in, and nothing else. */
export const linkRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/links/{action}',
    operationId: 'showLink',
    tag: 'notifications',
    summary: 'A page that asks whether to do what a signed link stands for. Nothing is done by looking at it.',
    access: 'link',
    params: linkParams,
    query: linkQuery,
    success: { status: 200, description: 'A page.', schema: null, contentType: 'text/html' },
    errors: [409, 429],
    errorPages: [403, 409, 429],
    handle({ params: { action }, query: { signature }, ...deps }) {
      const nonce = randomBytes(16).toString('base64');
      try {
        return page(renderLinkPage(linked(deps, action, signature), nonce), nonce);
      } catch (error) {
        const { status, message } = TealgateError.from(error);
        return page(renderLinkProblem(message, nonce), nonce, status);
      }
    },
  }),
  route({
    method: 'POST',
    path: '/v1/links/{action}',
    operationId: 'followLink',
    tag: 'notifications',
    summary: 'Do what a signed link stands for. It works once, and only while the rollout is where it was.',
    access: 'link',
    params: linkParams,
    query: linkQuery,
    body: emptyBody,
    success: { status: 200, description: 'The rollout as it is now.', schema: rolloutAnswer },
    errors: [409, 429],
    async handle({ params: { action }, query: { signature }, ...deps }) {
      linked(deps, action, signature);
      return json(rolloutView(await deps.control.followLink(signature)));
    },
  }),
];

/** Throws `forbidden`, `conflict`, or `too_many_requests` in place of either. */
function linked({ control, refusals }: Pick<RouteDeps, 'control' | 'refusals'>, action: string, signature: string) {
  try {
    const found = control.linkedAction(signature);
    if (found.action !== action) throw new TealgateError('forbidden', `this link is for ${found.action}`);
    return found;
  } catch (error) {
    throw error instanceof TealgateError ? refusals.count(error) : error;
  }
}

function page(text: string, nonce: string, status = 200): Answer {
  const headers = { 'content-security-policy': contentSecurityPolicy(nonce) };
  return { kind: 'text', status, text, contentType: 'text/html; charset=utf-8', headers };
}
