import { describe, expect, it } from 'vitest';
import { createAuthenticator, requireRole } from '../../src/admin/auth.ts';

const TOKENS = [
  { name: 'ci', token: 'correct-horse', role: 'operator' },
  { name: 'wall', token: 'battery-staple', role: 'viewer' },
] as const;

const code = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
  return 'none';
};

describe('with configured tokens', () => {
  const authenticate = createAuthenticator(TOKENS);
  const as = (authorization: string | undefined) => authenticate({ authorization, remoteAddress: '127.0.0.1' });

  it('a token names its holder and role; the scheme may be in any case', () => {
    expect(as('Bearer correct-horse')).toEqual({ actor: 'ci', role: 'operator' });
    expect(as('bearer battery-staple')).toEqual({ actor: 'wall', role: 'viewer' });
  });

  it.each([
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Bearer correct-hors',
    'Bearer correct-horsee',
    'Bearer Correct-Horse',
    'Bearer correct-horse battery-staple',
    'Basic correct-horse',
    'correct-horse',
    'Bearer undefined',
  ])('%j is nobody, also on this machine', (authorization) => {
    expect(code(() => as(authorization))).toBe('unauthorized');
  });

  it('a viewer may look and not touch', () => {
    expect(code(() => requireRole(as('Bearer battery-staple'), 'operator'))).toBe('forbidden');
    expect(code(() => requireRole(as('Bearer battery-staple'), 'viewer'))).toBe('none');
    expect(code(() => requireRole(as('Bearer correct-horse'), 'operator'))).toBe('none');
  });
});

describe('without configured tokens', () => {
  const authenticate = createAuthenticator([]);
  const from = (remoteAddress: string | undefined) => authenticate({ authorization: undefined, remoteAddress });

  it.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1', undefined])('%s is an operator', (address) => {
    expect(from(address)).toEqual({ actor: 'loopback', role: 'operator' });
  });

  it.each(['10.0.0.1', '::ffff:10.0.0.1', 'fe80::1', '128.0.0.1', '0.0.0.0'])('%s is refused', (address) => {
    expect(code(() => from(address))).toBe('forbidden');
  });
});
