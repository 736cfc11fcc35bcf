import { TealgateError } from '../../platform/errors.ts';
import { EVENT_STREAM_HEADERS, openEventStream } from '../event-stream.ts';
import { type Call, json, type Route, route } from '../route.ts';
import { eventSchema } from '../schemas/common.ts';
import { emptyBody, eventsQuery } from '../schemas/requests.ts';
import { configStatusSchema } from '../schemas/service.ts';

/** What belongs to the gate as a whole: its configuration and its events. */
export const gateRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/v1/reload',
    operationId: 'reload',
    tag: 'configuration',
    summary: 'Read the configuration file again. A bad file changes nothing; the answer says what is wrong with it.',
    access: 'operator',
    body: emptyBody,
    success: { status: 200, description: 'The file is in force.', schema: configStatusSchema },
    errors: [422],
    async handle({ control, identity }) {
      const status = await control.reload({ actor: identity?.actor ?? 'unknown' });
      if (status.lastReloadSuccessful) return json(status);
      const detail = `${status.path} was refused and nothing has changed`;
      throw new TealgateError('invalid_config', detail, { details: { problems: status.errors, members: status } });
    },
  }),
  route({
    method: 'GET',
    path: '/v1/events',
    operationId: 'events',
    tag: 'events',
    summary: 'Events as they happen, as server-sent events; ids ascend, and a stream may be resumed after any of them.',
    access: 'viewer',
    query: eventsQuery,
    headers: [{ name: 'Last-Event-ID', description: 'Begin after this event; counts before `since`.' }],
    success: { status: 200, description: 'One event each.', schema: eventSchema, contentType: 'text/event-stream' },
    handle(call) {
      const since = startOf(call);
      const { control, signal } = call;
      return {
        kind: 'stream',
        headers: EVENT_STREAM_HEADERS,
        open: (response) => openEventStream(response, { control, since, signal }),
      };
    },
  }),
];

function startOf({
  headers,
  query,
  recent,
}: Pick<Call<unknown, { since?: number }, unknown>, 'headers' | 'query' | 'recent'>): number {
  const last = headers['last-event-id'];
  const text = typeof last === 'string' && last !== '' ? last : null;
  if (text !== null && !/^\d{1,15}$/.test(text)) {
    throw new TealgateError('bad_request', 'Last-Event-ID must be the id of an event');
  }
  // An id that has not been given yet comes from another store; waiting for it would be silence for ever.
  return Math.min(text === null ? (query.since ?? recent.latestId) : Number(text), recent.latestId);
}
