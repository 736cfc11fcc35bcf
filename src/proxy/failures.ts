import type { UpstreamFailure } from '../http1/upstream-connection.ts';
import type { Outcome } from '../traffic/ledger.ts';
import type { ProxyError } from './replies.ts';

export type AttemptFailure = UpstreamFailure | 'response_timeout';

/** What a failed attempt means for the client and for the books. */
export const FAILURES: Readonly<Record<AttemptFailure, readonly [ProxyError, Outcome]>> = {
  connect_refused: ['connection_refused', 'connect_failed'],
  connect_timeout: ['connection_timeout', 'timeout'],
  connect_failed: ['destination_unavailable', 'connect_failed'],
  local: ['connection_limit_reached', 'overloaded'],
  tls_certificate: ['tls_certificate_error', 'connect_failed'],
  tls_alert: ['tls_alert_received', 'connect_failed'],
  tls_protocol: ['tls_protocol_error', 'connect_failed'],
  not_http2: ['http_protocol_error', 'connect_failed'],
  unprocessed: ['connection_terminated', 'reset'],
  reset: ['connection_terminated', 'reset'],
  protocol: ['http_protocol_error', 'reset'],
  truncated: ['http_protocol_error', 'reset'],
  response_timeout: ['http_response_timeout', 'timeout'],
};

/** The target cannot have done anything about the request. */
export function neverReached(failure: AttemptFailure): boolean {
  return failure === 'unprocessed' || FAILURES[failure][1] === 'connect_failed' || failure === 'connect_timeout';
}
