import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';

/** What a signed link stands for: one action, at one moment of one rollout. */
export interface ActionLink {
  readonly action: 'promote' | 'abort';
  readonly service: string;
  /** Id of the rollout. */
  readonly rollout: string;
  /**
   * How many transitions the rollout had made when it was sent. It works at this moment only; since following it is a
   * transition, it works once.
   */
  readonly transition: number;
  /** To whom it was sent: a webhook's name. */
  readonly sentTo: string;
  /** Tells it from all others: id of the notification. */
  readonly nonce: string;
  /** ms since the Unix epoch. */
  readonly expiresAt: number;
}

/** A key of the gate, newest first where there are several. */
export interface MasterKey {
  readonly secret: string;
}

const PURPOSE = 'tealgate action links v1';

/** Signs with the newest key. The text goes into a URL as it is. */
export function signLink(link: ActionLink, keys: readonly MasterKey[]): string {
  const [newest] = keys;
  if (newest === undefined) throw new Error('there is no key to sign with');
  const { action, service, rollout, transition, sentTo, nonce, expiresAt } = link;
  const fields = [action, service, rollout, transition, sentTo, nonce, expiresAt];
  const payload = Buffer.from(JSON.stringify(fields)).toString('base64url');
  return `${payload}.${macOf(payload, newest).toString('base64url')}`;
}

/** Null unless one of the keys signed it. Says nothing about whether it has expired. */
export function readLink(text: string, keys: readonly MasterKey[]): ActionLink | null {
  const [payload = '', mac = '', ...more] = text.split('.');
  const given = Buffer.from(mac, 'base64url');
  // One spelling only: decoding leaves out what it does not know.
  if (more.length > 0 || given.length !== MAC_BYTES || given.toString('base64url') !== mac) return null;
  let isOurs = false;
  // Every key is compared, in constant time: nothing about the right MAC shows in the time it takes.
  for (const key of keys) isOurs = timingSafeEqual(given, macOf(payload, key)) || isOurs;
  return isOurs ? parse(payload) : null;
}

const MAC_BYTES = 32;

const fieldsSchema = z.tuple([
  z.enum(['promote', 'abort']),
  z.string(),
  z.string(),
  z.int(),
  z.string(),
  z.string(),
  z.number(),
]);

/** Of what carries our signature. */
function parse(payload: string): ActionLink {
  const fields = fieldsSchema.parse(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')));
  const [action, service, rollout, transition, sentTo, nonce, expiresAt] = fields;
  return { action, service, rollout, transition, sentTo, nonce, expiresAt };
}

/** The keys sign pin cookies, too: a key of its own is derived for links, so that neither can stand for the other. */
function macOf(payload: string, { secret }: MasterKey): Buffer {
  const key = hkdfSync('sha256', Buffer.from(secret, 'base64url'), Buffer.alloc(0), PURPOSE, MAC_BYTES);
  return createHmac('sha256', Buffer.from(key)).update(payload).digest();
}
