import type { TLSSocket } from 'node:tls';
import { isLocalFault } from '../platform/local-fault.ts';

/** Why no connection to a target stands that a request could be sent on. */
export type ConnectFailure =
  | 'connect_refused'
  | 'connect_timeout'
  | 'connect_failed'
  /** We had no file descriptor, port or memory for it: says nothing about the target. */
  | 'local'
  /** Its certificate is not valid, not trusted, or another's. */
  | 'tls_certificate'
  /** The target refused us: it wants another client certificate, name, protocol or cipher. */
  | 'tls_alert'
  /** What it speaks is not TLS, or it closed the connection within the handshake. */
  | 'tls_protocol'
  /** What it speaks is not HTTP/2, or it did not agree on that. */
  | 'not_http2';

/** Alerts by which a target refuses the client's certificate. */
const REFUSES_CERTIFICATE = /_ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED)$/;

/** Why a connection could not be made. `socket`: its own, once its handshake had begun. */
export function connectFailure(cause: Error | null, socket: TLSSocket | null): ConnectFailure {
  if (isLocalFault(cause)) return 'local';
  const code = codeOf(cause);
  if (socket === null) return code === 'ECONNREFUSED' ? 'connect_refused' : 'connect_failed';
  // Declared as always there; null until a certificate was found wanting.
  const distrust: Error | null | undefined = socket.authorizationError;
  if (distrust !== null && distrust !== undefined) return 'tls_certificate';
  return code.includes('_ALERT_') ? 'tls_alert' : 'tls_protocol';
}

/**
 * In TLS 1.3 a client is done with the handshake before the server has seen its certificate: the refusal stands where the
 * first answer should. The server has processed nothing by then.
 */
export function refusesClient(cause: Error | null): boolean {
  return REFUSES_CERTIFICATE.test(codeOf(cause));
}

function codeOf(cause: Error | null): string {
  return String((cause as NodeJS.ErrnoException | null)?.code ?? '');
}
