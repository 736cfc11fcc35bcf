import { F } from '../http1/fields.ts';

/**
 * Of the connection, so that HTTP/2 has no place for them (RFC 9113 §8.2.2). Node.js throws where it is given one of
 * these.
 */
export const CONNECTION_FIELD_IDS: ReadonlySet<number> = new Set([
  F.connection,
  F.transferEncoding,
  F.keepAlive,
  F.proxyConnection,
  F.upgrade,
  F.te,
  F.http2Settings,
]);
