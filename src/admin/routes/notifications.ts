import { json, type Route, route } from '../route.ts';
import { deadLetterParams, deadLettersAnswer, redeliveredAnswer } from '../schemas/notifications.ts';
import { emptyBody } from '../schemas/requests.ts';

export const notificationRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/notifications/dead-letters',
    operationId: 'deadLetters',
    tag: 'notifications',
    summary: 'Notifications that could not be delivered and are not tried any more.',
    access: 'viewer',
    success: { status: 200, description: 'Newest first.', schema: deadLettersAnswer },
    handle: ({ control }) => json({ deadLetters: control.deadLetters() }),
  }),
  route({
    method: 'POST',
    path: '/v1/notifications/dead-letters/{id}/redeliver',
    operationId: 'redeliver',
    tag: 'notifications',
    summary: 'Send a dead letter again, under the same webhook-id and with all its attempts.',
    access: 'operator',
    params: deadLetterParams,
    body: emptyBody,
    success: { status: 202, description: 'It is queued.', schema: redeliveredAnswer },
    errors: [404],
    async handle({ control, identity, params: { id } }) {
      await control.redeliver(id, { actor: identity?.actor ?? 'unknown' });
      return json({ id }, 202);
    },
  }),
];
