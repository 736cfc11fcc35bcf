import type { IncomingMessage } from 'node:http';
import type { AdminConfig } from '../config/config.ts';
import { TealgateError } from '../platform/errors.ts';
import { type Authenticate, createAuthenticator, type Identity, requireRole } from './auth.ts';
import { createHostRules, type HostRules, refuseCrossSite } from './origin.ts';
import type { Access } from './route.ts';

/** Decides from the head of a request alone whether it may make a call. */
export interface AccessRules {
  /** Who calls; null where anybody may. Throws `bad_request`, `unauthorized` or `forbidden`. */
  admit(request: IncomingMessage, access: Access): Identity | null;
}

export function createAccessRules(config: AdminConfig): AccessRules {
  const hosts: HostRules = createHostRules(config);
  const authenticate: Authenticate = createAuthenticator(config.tokens);
  return {
    admit(request, access) {
      refuseAbsoluteForm(request);
      // Probes of an orchestrator name whatever address they have; they learn nothing but up or down.
      if (access !== 'probe') hosts.check(request);
      // Links are clicked in a chat, which is another site; what they show they do only when asked by their own page.
      if (access !== 'link' || request.method !== 'GET') refuseCrossSite(request);
      refuseTokenInQuery(request);
      if (access === 'probe' || access === 'link') return null;
      const { authorization } = request.headers;
      if (access === 'page' && authorization === undefined && config.tokens.length > 0) return null;
      const identity = authenticate({ authorization, remoteAddress: request.socket.remoteAddress });
      if (access !== 'page') requireRole(identity, access);
      return identity;
    },
  };
}

function refuseAbsoluteForm({ url = '' }: IncomingMessage): void {
  if (url.startsWith('/') || url === '*') return;
  throw new TealgateError('bad_request', 'this is not a forward proxy; ask for a path');
}

/** A token in a URL ends up in histories and logs; one that comes so is never accepted, nor quietly ignored. */
function refuseTokenInQuery({ url = '' }: IncomingMessage): void {
  const at = url.indexOf('?');
  if (at === -1) return;
  const query = new URLSearchParams(url.slice(at + 1));
  if (query.has('token') || query.has('access_token')) {
    throw new TealgateError('bad_request', 'a token in the URL is refused; send it as Authorization: Bearer TOKEN');
  }
}
