import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { CertificateOptions, TlsOptions } from '../messages.ts';

/**
 * For TLS 1.2: forward secrecy and authenticated encryption only, as Mozilla's intermediate profile has it. The suites of
 * TLS 1.3 are Node's own.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** The certificates of a listener, found by the name that a client asks for. Throws for one that OpenSSL refuses. */
export class Certificates {
  /** Of the first certificate: for clients that ask for no name, or for one that no certificate has. */
  readonly fallback: SecureContextOptions;
  readonly #byName = new Map<string, SecureContext>();

  constructor({ certificates, minVersion }: TlsOptions, ticketKeys: Buffer) {
    const all = certificates.map((certificate) => contextOptions(certificate, minVersion, ticketKeys));
    this.fallback = all[0] ?? {};
    for (const [i, { names }] of certificates.entries()) {
      const context = createSecureContext(all[i]);
      for (const name of names) if (!this.#byName.has(name)) this.#byName.set(name, context);
    }
  }

  /** The exact name first, then a wildcard in place of its first label (RFC 9525 §6.3); undefined: the fallback. */
  find(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    return this.#byName.get(name) ?? (dot < 0 ? undefined : this.#byName.get(`*${name.slice(dot)}`));
  }
}

function contextOptions(
  { cert, key }: CertificateOptions,
  minVersion: TlsOptions['minVersion'],
  ticketKeys: Buffer,
): SecureContextOptions {
  return {
    cert,
    key,
    minVersion,
    ciphers: CIPHERS,
    // Nobody needs to renegotiate, and every time costs the server more than the client.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    // A session that one worker began is resumed by another: same keys, same context.
    ticketKeys,
    sessionIdContext: 'tealgate',
  };
}
