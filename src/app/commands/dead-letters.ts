import { TealgateError } from '../../platform/errors.ts';
import type { Command, DeadLetter } from '../control-plane.ts';
import type { Core } from '../core.ts';
import { payloadOf } from '../notifications/compose.ts';

const MOST = 1000;

/** Notifications that were given up, newest first. */
export function deadLetters({ parts }: Core): readonly DeadLetter[] {
  return parts.store.outbox.dead(MOST).map((delivery) => {
    const { id, type, service, at } = payloadOf(delivery).event;
    const { attempts, error, to: webhook, deadAt } = delivery;
    return { id: delivery.id, webhook, event: { id, type, service, at }, attempts, error, deadAt: deadAt ?? 0 };
  });
}

/** Queues one of them again. Throws `not_found`. */
export async function redeliver(core: Core, id: string, by: Command): Promise<void> {
  const at = core.parts.clock.wallMs();
  if (!core.parts.store.outbox.revive(id, at)) {
    throw new TealgateError(
      'not_found',
      `there is no dead letter ${id}; GET /v1/notifications/dead-letters lists them`,
    );
  }
  await core.observe([{ type: 'notification.redelivered', service: null, actor: by.actor, at, data: { id } }]);
}
