import { z } from 'zod';
import { openapiDocument } from './openapi.ts';
import { type Route, route } from './route.ts';
import { dashboardRoutes } from './routes/dashboard.ts';
import { gateRoutes } from './routes/gate.ts';
import { groupRoutes } from './routes/groups.ts';
import { linkRoutes } from './routes/links.ts';
import { notificationRoutes } from './routes/notifications.ts';
import { processRoutes } from './routes/process.ts';
import { rolloutRoutes } from './routes/rollouts.ts';
import { serviceRoutes } from './routes/services.ts';

let document: string | null = null;

/** Every call of the admin API. What is served, what is checked and what is documented all come from here. */
export const ROUTES: readonly Route[] = [
  ...processRoutes,
  ...serviceRoutes,
  ...rolloutRoutes,
  ...groupRoutes,
  ...notificationRoutes,
  ...linkRoutes,
  ...gateRoutes,
  ...dashboardRoutes,
  route({
    method: 'GET',
    path: '/openapi.json',
    operationId: 'openapi',
    tag: 'process',
    summary: 'This description.',
    access: 'viewer',
    success: { status: 200, description: 'OpenAPI 3.1.', schema: z.looseObject({}) },
    handle() {
      // Made when first asked for: it would add to the start of every gate and few are ever asked.
      document ??= JSON.stringify(openapiDocument(ROUTES));
      return { kind: 'text', status: 200, text: document, contentType: 'application/json; charset=utf-8' };
    },
  }),
];
