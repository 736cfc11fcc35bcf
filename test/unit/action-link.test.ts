import { describe, expect, it } from 'vitest';
import { type ActionLink, readLink, signLink } from '../../src/app/notifications/action-link.ts';
import { waitAfter } from '../../src/app/notifications/backoff.ts';

const KEY = { secret: Buffer.alloc(32, 1).toString('base64url') };
const OTHER = { secret: Buffer.alloc(32, 2).toString('base64url') };
const LINK: ActionLink = {
  action: 'promote',
  service: 'shop',
  rollout: 'r1',
  transition: 3,
  sentTo: 'chat',
  nonce: 'msg_1',
  expiresAt: 1_800_000_000_000,
};

describe('a signed link', () => {
  it('says what was signed, with any of the keys', () => {
    expect(readLink(signLink(LINK, [KEY]), [KEY])).toEqual(LINK);
    expect(readLink(signLink(LINK, [KEY, OTHER]), [OTHER, KEY])).toEqual(LINK);
  });

  it('can be put into a URL as it is', () => {
    expect(signLink(LINK, [KEY])).toMatch(/^[\w.-]+$/);
  });

  it('is nothing with another key, or none', () => {
    expect(readLink(signLink(LINK, [KEY]), [OTHER])).toBe(null);
    expect(readLink(signLink(LINK, [KEY]), [])).toBe(null);
  });

  it('is nothing when a single character of it is changed, cut off or added', () => {
    const text = signLink(LINK, [KEY]);
    for (let i = 0; i < text.length; i++) {
      const changed = text.slice(0, i) + (text[i] === 'A' ? 'B' : 'A') + text.slice(i + 1);
      expect(readLink(changed, [KEY])).toBe(null);
      expect(readLink(text.slice(0, i), [KEY])).toBe(null);
    }
    for (const more of ['A', '.', '.A', '=', ' ', '\n']) expect(readLink(text + more, [KEY])).toBe(null);
  });

  it('is nothing when parts of two links are put together', () => {
    const [abort] = signLink({ ...LINK, action: 'abort' }, [KEY]).split('.');
    const [, mac] = signLink(LINK, [KEY]).split('.');
    expect(readLink(`${abort}.${mac}`, [KEY])).toBe(null);
  });

  it.each(['', '.', '..', 'a.b', 'x'.repeat(10_000), `.${'A'.repeat(43)}`])('is nothing when it is %j', (text) => {
    expect(readLink(text, [KEY])).toBe(null);
  });
});

describe('the wait after a failure', () => {
  const waitMs = (attempts: number, change: object = {}): number =>
    waitAfter({ attempts, backoffMs: 5000, retryAfterMs: null, random: 0, ...change });

  it('doubles up to an hour', () => {
    expect([1, 2, 3, 10, 11, 1000].map((attempts) => waitMs(attempts))).toEqual([
      5000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000,
    ]);
  });

  it('is up to half shorter by chance', () => {
    expect(waitMs(1, { random: 0.5 })).toBe(3750);
    expect(waitMs(1, { random: 1 })).toBe(2500);
  });

  it('is not shorter than the receiver asks for, within reason', () => {
    expect(waitMs(1, { retryAfterMs: 30_000 })).toBe(30_000);
    expect(waitMs(3, { retryAfterMs: 1000 })).toBe(20_000);
    expect(waitMs(1, { retryAfterMs: 1e9 })).toBe(3_600_000);
  });
});
