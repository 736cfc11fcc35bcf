import { json, type Route, route } from '../route.ts';
import { statusAnswer } from '../schemas/common.ts';

export const processRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/livez',
    operationId: 'livez',
    tag: 'process',
    summary: 'The process is up.',
    access: 'probe',
    success: { status: 200, description: 'It is.', schema: statusAnswer },
    handle: () => json({ status: 'ok' }),
  }),
  route({
    method: 'GET',
    path: '/readyz',
    operationId: 'readyz',
    tag: 'process',
    summary: 'The gate may be sent traffic; 503 before it serves and as soon as shutdown begins.',
    access: 'probe',
    success: { status: 200, description: 'It may.', schema: statusAnswer },
    errors: [503],
    handle: ({ control }) => (control.ready() ? json({ status: 'ok' }) : json({ status: 'unavailable' }, 503)),
  }),
  route({
    method: 'GET',
    path: '/metrics',
    operationId: 'metrics',
    tag: 'process',
    summary: 'Metrics in the Prometheus text format.',
    access: 'viewer',
    success: { status: 200, description: 'The metrics.', schema: null, contentType: 'text/plain; version=0.0.4' },
    async handle({ metrics }) {
      const { body, contentType } = await metrics.render();
      return { kind: 'text', status: 200, text: body, contentType };
    },
  }),
];
