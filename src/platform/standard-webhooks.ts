import { createHmac } from 'node:crypto';

/** What a signed request carries, by the Standard Webhooks scheme (github.com/standard-webhooks/standard-webhooks). */
export interface SignedFields {
  readonly 'webhook-id': string;
  /** Seconds since the Unix epoch: receivers refuse what is older than a few minutes. */
  readonly 'webhook-timestamp': string;
  readonly 'webhook-signature': string;
}

export interface SignedMessage {
  /** The same for each attempt, so that a receiver knows a repetition. */
  readonly id: string;
  /** ms since the Unix epoch, of this attempt. */
  readonly at: number;
  readonly body: string;
}

/**
 * Header fields that prove who sent a body and when: HMAC-SHA256 over `id.timestamp.body`.
 *
 * @param secret `whsec_` and base64 as the scheme writes it, else the UTF-8 bytes of the text
 */
export function signWebhook({ id, at, body }: SignedMessage, secret: string): SignedFields {
  const timestamp = String(Math.floor(at / 1000));
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}

const PREFIX = 'whsec_';

function keyOf(secret: string): Buffer {
  return secret.startsWith(PREFIX) ? Buffer.from(secret.slice(PREFIX.length), 'base64') : Buffer.from(secret);
}
