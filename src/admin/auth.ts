import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback } from '../config/address.ts';
import type { AdminConfig, Role } from '../config/config.ts';
import { TealgateError } from '../platform/errors.ts';

/** Who calls: the name of a token, or `loopback` where no tokens are configured. */
export interface Identity {
  readonly actor: string;
  readonly role: Role;
}

export interface Credentials {
  /** The `Authorization` field. */
  readonly authorization: string | undefined;
  /** undefined for a unix socket, whose file permissions have let the caller in. */
  readonly remoteAddress: string | undefined;
}

/**
 * Says who calls, or throws `unauthorized` (tokens are configured and none of them came), or `forbidden` (none are, and
 * the caller is not on this machine).
 */
export type Authenticate = (credentials: Credentials) => Identity;

export function createAuthenticator(tokens: AdminConfig['tokens']): Authenticate {
  if (tokens.length === 0) return loopbackOnly;
  const known = tokens.map(({ name, token, role }) => ({ digest: digestOf(token), identity: { actor: name, role } }));
  return ({ authorization }) => {
    const digest = digestOf(readBearer(authorization));
    let found: Identity | null = null;
    // Every token is compared, and as digests of one length: neither which one matched nor how far shows in the time.
    for (const { digest: expected, identity } of known) {
      if (timingSafeEqual(digest, expected)) found = identity;
    }
    if (found === null) throw new TealgateError('unauthorized', 'this token is not known');
    return found;
  };
}

/** Throws `forbidden` unless the role may do what needs `needed`; an operator may do all. */
export function requireRole(identity: Identity, needed: Role): void {
  if (needed === 'viewer' || identity.role === 'operator') return;
  throw new TealgateError('forbidden', `${identity.actor} is a viewer; this call needs a token of an operator`);
}

function loopbackOnly({ remoteAddress }: Credentials): Identity {
  if (remoteAddress === undefined || isLoopback(remoteAddress)) return { actor: 'loopback', role: 'operator' };
  throw new TealgateError('forbidden', 'without configured tokens the admin endpoint answers to this machine only');
}

function readBearer(authorization: string | undefined): string {
  const [, token] = /^bearer +([^\s]+)$/i.exec(authorization ?? '') ?? [];
  if (token !== undefined) return token;
  throw new TealgateError('unauthorized', 'a token is needed: Authorization: Bearer TOKEN');
}

function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
