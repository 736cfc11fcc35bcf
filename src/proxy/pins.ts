import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PinPolicy } from '../traffic/snapshot.ts';
import type { Service, Upstream } from './routing-table.ts';

type CookiePins = Extract<PinPolicy, { by: 'cookie' }>;

/** Verified cookie values are remembered, because an HMAC costs more than the rest of a request's routing. */
const REMEMBERED = 10_000;
/** A pin counts as alive this long after it was last seen, ms. */
const ALIVE_MS = 10 * 60_000;

interface Pin {
  readonly service: number;
  readonly upstream: string;
  readonly epoch: number;
  /** The secret that signed it; a pin ends with its key. */
  readonly secret: string;
  seenAtMs: number;
}

/**
 * Cookie pins: `keyId.upstream.epoch.nonce.mac`, signed with HMAC-SHA-256 and bound to the service, with no user data.
 * A value that is not exactly what we issued counts as none.
 */
export class PinJar {
  readonly #pins = new Map<string, Pin>();
  #nonce = 0;
  readonly #prefix: string;

  /** `prefix` makes nonces unique among workers and restarts. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** The upstream a cookie header pins to, if that still takes requests; null otherwise. */
  upstreamOf(service: Service, policy: CookiePins, cookies: string, nowMs: number): Upstream | null {
    const value = cookieValue(cookies, policy.name);
    if (value === null) return null;
    const pin = this.#pins.get(value) ?? this.#verify(service, policy, value);
    if (pin === null || pin.service !== service.route.id) return null;
    if (!policy.keys.some(({ secret }) => secret === pin.secret)) return null;
    pin.seenAtMs = nowMs;
    this.#remember(value, pin);
    const upstream = service.upstreams.get(pin.upstream);
    return upstream?.open && upstream.route.pinEpoch === pin.epoch ? upstream : null;
  }

  /** A Set-Cookie line that pins its client to `upstream`. */
  issue(service: Service, policy: CookiePins, upstream: Upstream, secure: boolean, nowMs: number): string {
    const key = policy.keys[0];
    if (key === undefined) return '';
    const nonce = `${this.#prefix}${(++this.#nonce).toString(36)}`;
    const body = `${key.id}.${upstream.route.name}.${upstream.route.pinEpoch}.${nonce}`;
    const value = `${body}.${sign(key.secret, service.route.name, body)}`;
    this.#remember(value, {
      service: service.route.id,
      upstream: upstream.route.name,
      epoch: upstream.route.pinEpoch,
      secret: key.secret,
      seenAtMs: nowMs,
    });
    const maxAge = policy.maxAgeS > 0 ? `; Max-Age=${policy.maxAgeS}` : '';
    return `Set-Cookie: ${policy.name}=${value}; Path=/; HttpOnly; SameSite=Lax${maxAge}${secure ? '; Secure' : ''}\r\n`;
  }

  /** How many clients are pinned to each upstream of these services, as far as this worker has seen them lately. */
  count(services: ReadonlyMap<number, Service>, nowMs: number): Map<Upstream, number> {
    const counts = new Map<Upstream, number>();
    for (const [value, pin] of this.#pins) {
      if (nowMs - pin.seenAtMs > ALIVE_MS) {
        this.#pins.delete(value);
        continue;
      }
      const upstream = services.get(pin.service)?.upstreams.get(pin.upstream);
      if (upstream?.open && upstream.route.pinEpoch === pin.epoch)
        counts.set(upstream, (counts.get(upstream) ?? 0) + 1);
    }
    return counts;
  }

  /** Most recently seen last, so that the oldest goes first. */
  #remember(value: string, pin: Pin): void {
    this.#pins.delete(value);
    this.#pins.set(value, pin);
    if (this.#pins.size <= REMEMBERED) return;
    const oldest = this.#pins.keys().next();
    if (!oldest.done) this.#pins.delete(oldest.value);
  }

  #verify(service: Service, policy: CookiePins, value: string): Pin | null {
    // The upstream's name may hold dots itself.
    const [keyId = '', ...rest] = value.split('.');
    const [epoch = '', nonce = '', mac = ''] = rest.splice(-3);
    const upstream = rest.join('.');
    const key = policy.keys.find(({ id }) => id === keyId);
    if (key === undefined) return null;
    const expected = Buffer.from(sign(key.secret, service.route.name, `${keyId}.${upstream}.${epoch}.${nonce}`));
    const given = Buffer.from(mac);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    return { service: service.route.id, upstream, epoch: Number(epoch), secret: key.secret, seenAtMs: 0 };
  }
}

function sign(secret: string, service: string, body: string): string {
  return createHmac('sha256', Buffer.from(secret, 'base64url')).update(`${service}/${body}`).digest('base64url');
}

/** The first cookie of this name (RFC 6265 §5.4). */
function cookieValue(cookies: string, name: string): string | null {
  for (const pair of cookies.split(';')) {
    const trimmed = pair.trimStart();
    if (trimmed.startsWith(name) && trimmed.charCodeAt(name.length) === 0x3d)
      return trimmed.slice(name.length + 1).trimEnd();
  }
  return null;
}
