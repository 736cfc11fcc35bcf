import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { contentSecurityPolicy, renderLocked, renderPage } from '../dashboard/page.ts';
import { type Route, route } from '../route.ts';

const dashboardQuery = z.object({
  service: z.string().max(200).exactOptional().describe('Show this service only.'),
});

export const dashboardRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/',
    operationId: 'dashboard',
    tag: 'dashboard',
    summary: 'The dashboard. Without a token, where one is needed, a page that asks for it.',
    access: 'page',
    query: dashboardQuery,
    success: { status: 200, description: 'A page.', schema: null, contentType: 'text/html' },
    handle({ control, recent, samples, identity, query }) {
      const nonce = randomBytes(16).toString('base64');
      const text =
        identity === null
          ? renderLocked(nonce)
          : renderPage({
              overview: control.overview(),
              ready: control.ready(),
              events: recent.newestFirst(),
              samples,
              identity,
              only: query.service ?? null,
              nowMs: Date.now(),
              nonce,
            });
      const headers = { 'content-security-policy': contentSecurityPolicy(nonce) };
      return { kind: 'text', status: 200, text, contentType: 'text/html; charset=utf-8', headers };
    },
  }),
];
