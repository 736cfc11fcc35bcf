import { isIP } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** What a target is asked by ALPN to speak. */
export type Protocol = 'http/1.1' | 'h2';

/** How the `https:` and `h2:` targets of a service, or another server, are spoken to. Plain data; what the files held, not their paths. */
export interface TargetTls {
  /** PEM: whose certificates are trusted, in place of the system's; null for those. */
  readonly ca: string | null;
  /** PEM: the certificate, with its intermediates, that we show when asked for one; null for none. Has `key`. */
  readonly cert: string | null;
  /** PEM, not encrypted. */
  readonly key: string | null;
  /** What the target is asked for (SNI) and what its certificate must name; null: the host of its URL. */
  readonly serverName: string | null;
  /** False: any certificate will do. */
  readonly verify: boolean;
}

/** The settings of a service that has none: a valid certificate for the host of the URL, of a CA the system trusts. */
export const TRUST_SYSTEM: TargetTls = { ca: null, cert: null, key: null, serverName: null, verify: true };

/** Whom a client trusts and what it shows. */
export interface TrustOptions {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
  readonly servername?: string;
}

export interface SecureOptions extends TrustOptions {
  readonly servername: string;
  readonly ALPNProtocols: string[];
}

export function sameTls(a: TargetTls, b: TargetTls): boolean {
  if (a.ca !== b.ca || a.cert !== b.cert || a.key !== b.key) return false;
  return a.serverName === b.serverName && a.verify === b.verify;
}

/**
 * For `tls.connect`, beside host and port. The names of IP addresses are not sent (RFC 6066 §3), but
 * verified all the same. Throws for certificates that OpenSSL refuses.
 */
export function secureOptions(tls: TargetTls, host: string, protocol: Protocol): SecureOptions {
  const servername = tls.serverName ?? (isIP(host) === 0 ? host : '');
  return { ...trustOptions(tls), servername, ALPNProtocols: [protocol] };
}

/** As `secureOptions`, for clients such as undici that see to host names and ALPN themselves. */
export function trustOptions(tls: TargetTls): TrustOptions {
  return {
    secureContext: contextOf(tls),
    rejectUnauthorized: tls.verify,
    ...(tls.serverName === null ? {} : { servername: tls.serverName }),
  };
}

/** Reading a store of CAs takes tens of milliseconds, so that all who use the same settings share what came of it. */
const contexts = new WeakMap<TargetTls, SecureContext>();
const TRUST_ALL: TargetTls = { ...TRUST_SYSTEM, verify: false };

function contextOf(tls: TargetTls): SecureContext {
  const shared = tls.verify ? TRUST_SYSTEM : TRUST_ALL;
  const settings = tls.ca === null && tls.cert === null ? shared : tls;
  const context = contexts.get(settings) ?? createContext(settings);
  contexts.set(settings, context);
  return context;
}

function createContext({ ca, cert, key, verify }: TargetTls): SecureContext {
  return createSecureContext({
    ...(verify ? { ca: ca ?? systemAuthorities() } : {}),
    ...(cert === null || key === null ? {} : { cert, key }),
  });
}

/** What the machine trusts, and NODE_EXTRA_CA_CERTS; what Node.js brings along where the machine has no store. */
function systemAuthorities(): string[] {
  const system = getCACertificates('system');
  // Its directory and its bundle hold the same certificates.
  return [...new Set([...(system.length > 0 ? system : getCACertificates('bundled')), ...getCACertificates('extra')])];
}
