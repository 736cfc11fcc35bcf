import { STATUS_CODES } from '../../platform/node-http.ts';

/** RFC 9209 §2.3 error types that we report, with what the client is told. */
export const PROXY_ERRORS = {
  connection_refused: [502, 'the upstream refused the connection'],
  connection_timeout: [504, 'the upstream did not accept a connection in time'],
  destination_unavailable: [502, 'the upstream could not be reached'],
  tls_certificate_error: [502, 'the upstream has no valid certificate'],
  tls_alert_received: [502, 'the upstream refused the TLS handshake'],
  tls_protocol_error: [502, 'the TLS handshake with the upstream failed'],
  connection_terminated: [502, 'the upstream closed the connection without an answer'],
  http_protocol_error: [502, 'the upstream sent an invalid response'],
  http_response_timeout: [504, 'the upstream did not answer in time'],
  connection_limit_reached: [503, 'no connection to this service is to be had right now'],
  proxy_loop_detected: [508, 'the request has passed this gate before'],
  proxy_internal_error: [500, 'internal error'],
} as const;
export type ProxyError = keyof typeof PROXY_ERRORS;

export interface Reply {
  readonly status: number;
  readonly detail: string;
  /** For Proxy-Status (RFC 9209); null where the fault is the request's. */
  readonly error: ProxyError | null;
  readonly close: boolean;
  /** The request was HEAD: everything but the body. */
  readonly head: boolean;
  /** Further whole field lines. */
  readonly extra?: string;
}

/** A complete response made by the gate itself. */
export function renderReply(reply: Reply, date: string): Buffer {
  const body = reply.status === 204 ? '' : `${reply.status} ${STATUS_CODES[reply.status] ?? ''}: ${reply.detail}\n`;
  const lines = [
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}`,
    `Date: ${date}`,
    ...(reply.status === 204
      ? []
      : ['Content-Type: text/plain; charset=utf-8', `Content-Length: ${Buffer.byteLength(body)}`]),
    'Cache-Control: no-store',
    ...(reply.error === null ? [] : [`Proxy-Status: gate; error=${reply.error}`]),
    ...(reply.status === 503 ? ['Retry-After: 1'] : []),
    ...(reply.close ? ['Connection: close'] : []),
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n${reply.extra ?? ''}\r\n${reply.head ? '' : body}`, 'latin1');
}
