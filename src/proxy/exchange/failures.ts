import type { UpstreamFailure } from '../../http1/upstream-link.ts';
import type { Outcome } from '../../traffic/ledger.ts';
import { PROXY_ERRORS, type ProxyError } from './replies.ts';
import type { LocalAnswer } from './request-policy.ts';

/** Why an attempt failed. */
export type AttemptFailure = UpstreamFailure | 'response_timeout';

/** Why a request is not answered by a target. */
export type Failure =
  | AttemptFailure
  /** No target may take it. */
  | 'no_target'
  /** No target of the version that it asks for may take it. */
  | 'no_preview'
  /** Every target has as many requests as it may. */
  | 'no_place'
  /** Its target, or the gate, is drained, and waits no longer. */
  | 'cut';

/** What a failure means for the client and for the books; with a detail where that of the error does not say enough. */
export const FAILURES: Readonly<Record<Failure, readonly [ProxyError, Outcome, string?]>> = {
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
  no_target: ['connection_limit_reached', 'no_target'],
  no_preview: ['connection_limit_reached', 'no_target', 'the version that this request asked for takes no requests'],
  no_place: ['connection_limit_reached', 'overloaded', 'this service has as many requests as it may'],
  cut: ['http_response_timeout', 'cut'],
};

/** The target cannot have done anything about the request. */
export function neverReached(failure: AttemptFailure): boolean {
  return failure === 'unprocessed' || FAILURES[failure][1] === 'connect_failed' || failure === 'connect_timeout';
}

/** What the client is told. */
export function answerTo(failure: Failure): LocalAnswer {
  const [error, , why] = FAILURES[failure];
  const [status, detail] = PROXY_ERRORS[error];
  return { status, detail: why ?? detail, error, extra: '' };
}
