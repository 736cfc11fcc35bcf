import type { Config, WebhookConfig } from '../../config/config.ts';
import type { Clock } from '../../platform/clock.ts';
import { sendOutgoing } from '../../platform/outgoing.ts';
import { signWebhook } from '../../platform/standard-webhooks.ts';
import type { Delivery, Outbox } from '../../store/outbox.ts';
import type { Logger } from '../../telemetry/log.ts';
import { waitAfter } from './backoff.ts';
import { bodyOf, type LinkMaker, payloadOf } from './compose.ts';

export interface CourierParts {
  readonly outbox: Outbox;
  /** As it is in force now. */
  readonly config: () => Pick<Config, 'notifications' | 'webhooks'>;
  readonly links: () => LinkMaker;
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn' | 'error'>;
  /** 0 to 1. */
  readonly random: () => number;
  /** Ids of those that arrived, until that is written down: with a store that fails they must not be sent for ever. */
  readonly arrived: Set<string>;
}

/** Of what a receiver said, kept with a notification that failed. */
const KEPT_CHARS = 200;
const GONE = 410;

/** Sends one notification and writes down what became of it. Rejects when `signal` ends, or the store fails. */
export async function deliver(delivery: Delivery, parts: CourierParts, signal: AbortSignal): Promise<void> {
  const { webhooks } = parts.config();
  const webhook = Object.hasOwn(webhooks, delivery.to) ? webhooks[delivery.to] : undefined;
  if (webhook === undefined) {
    giveUp(delivery, `there is no webhook ${delivery.to} in the configuration any more`, parts);
    return;
  }
  const outcome = parts.arrived.has(delivery.id) ? ARRIVED : await attempt(delivery, webhook, parts, signal);
  if (outcome.kind === 'arrived') {
    parts.arrived.add(delivery.id);
    parts.outbox.remove(delivery.id);
    parts.arrived.delete(delivery.id);
    return;
  }
  const attempts = delivery.attempts + 1;
  if (outcome.kind === 'gone' || attempts >= webhook.attempts) {
    giveUp(delivery, outcome.detail, parts);
    return;
  }
  const { retryAfterMs } = outcome;
  const waitMs = waitAfter({ attempts, backoffMs: webhook.backoffMs, retryAfterMs, random: parts.random() });
  parts.outbox.postpone(delivery.id, parts.clock.wallMs() + waitMs, outcome.detail);
}

type Outcome =
  | { readonly kind: 'arrived' }
  | { readonly kind: 'failed'; readonly detail: string; readonly retryAfterMs: number | null }
  /** By the Standard Webhooks scheme, a receiver that answers 410 wants nothing more. */
  | { readonly kind: 'gone'; readonly detail: string };

const ARRIVED: Outcome = { kind: 'arrived' };

async function attempt(
  delivery: Delivery,
  { url, secret, timeoutMs, tls }: WebhookConfig,
  { links, clock }: CourierParts,
  signal: AbortSignal,
): Promise<Outcome> {
  const body = bodyOf(delivery, links());
  const message = { id: delivery.id, at: clock.wallMs(), body };
  const headers = {
    'content-type': 'application/json',
    ...(secret === null ? { 'webhook-id': delivery.id } : signWebhook(message, secret)),
  };
  const answer = await sendOutgoing({ method: 'POST', url, headers, body, timeoutMs, okByStatus: true, tls, signal });
  if (answer.kind === 'unanswered')
    return { kind: 'failed', detail: `no answer: ${answer.detail}`, retryAfterMs: null };
  const { status, body: said, retryAfterMs } = answer;
  if (status >= 200 && status < 300) return ARRIVED;
  // JSON quoting keeps line ends and terminal escapes of the answer out of logs and terminals.
  const detail = `answered ${status}${said === '' ? '' : `: ${JSON.stringify(said.slice(0, KEPT_CHARS))}`}`;
  return status === GONE ? { kind: 'gone', detail } : { kind: 'failed', detail, retryAfterMs };
}

function giveUp(delivery: Delivery, detail: string, { outbox, clock, log }: CourierParts): void {
  outbox.bury(delivery.id, clock.wallMs(), detail);
  const { type, service } = payloadOf(delivery).event;
  const fields = { event: 'notification.dead', id: delivery.id, webhook: delivery.to, of: type, service, detail };
  log.warn(fields, `a notification could not be delivered to ${delivery.to}; it is among the dead letters`);
}
