import { z } from 'zod';
import type { NotificationConfig } from '../../config/config.ts';
import { isPossible } from '../../rollout/operator.ts';
import { PHASES } from '../../rollout/rollout.ts';
import type { Delivery, NewDelivery } from '../../store/outbox.ts';
import type { StoredEvent } from '../../store/store.ts';
import { type MasterKey, signLink } from './action-link.ts';
import { factsOf } from './facts.ts';
import { jsonMessage, type Links, slackMessage } from './message.ts';

/** What the outbox keeps of a notification: no link and no secret, both of which are made when it is sent. */
export function toDelivery(event: StoredEvent, notification: NotificationConfig, id: string): NewDelivery {
  const { webhook, format, links, linkLifetimeMs } = notification;
  return { id, to: webhook, payload: { event, format, links, linkLifetimeMs }, queuedAt: event.at };
}

const payloadSchema = z.object({
  event: z.object({
    id: z.int(),
    type: z.string(),
    service: z.string().nullable(),
    actor: z.string(),
    at: z.number(),
    data: z.record(z.string(), z.unknown()),
  }),
  format: z.enum(['json', 'slack']),
  links: z.array(z.enum(['promote', 'abort'])),
  linkLifetimeMs: z.number(),
});

export type NotificationPayload = z.output<typeof payloadSchema>;

export function payloadOf({ payload }: Delivery): NotificationPayload {
  return payloadSchema.parse(payload);
}

export interface LinkMaker {
  /** Null: no links. */
  readonly externalUrl: string | null;
  readonly keys: readonly MasterKey[];
}

/** The body of a notification: the same for each attempt, but for links after a change of keys or of the URL. */
export function bodyOf(delivery: Delivery, maker: LinkMaker): string {
  const { event, format, links, linkLifetimeMs } = payloadOf(delivery);
  const made = makeLinks(delivery, { event, links, expiresAt: delivery.queuedAt + linkLifetimeMs }, maker);
  return JSON.stringify(format === 'slack' ? slackMessage(event, made) : jsonMessage(event, made));
}

interface Wanted extends Pick<NotificationPayload, 'event' | 'links'> {
  readonly expiresAt: number;
}

function makeLinks(delivery: Delivery, { event, links, expiresAt }: Wanted, { externalUrl, keys }: LinkMaker): Links {
  const { rollout, transition, phase, service } = factsOf(event);
  const at = PHASES.find((known) => known === phase);
  if (externalUrl === null || rollout === null || transition === null || at === undefined) return {};
  const possible = links.filter((action) => isPossible(action, at));
  return Object.fromEntries(
    possible.map((action) => {
      const link = { action, service, rollout, transition, sentTo: delivery.to, nonce: delivery.id, expiresAt };
      return [action, `${externalUrl}/v1/links/${action}?signature=${signLink(link, keys)}`];
    }),
  );
}
