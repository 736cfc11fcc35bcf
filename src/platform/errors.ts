/** Every failure that Tealgate itself reports has one of these codes; they appear as `code` in problem+json and in logs. */
export const ERROR_STATUS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  invalid_config: 422,
  too_many_requests: 429,
  refused_by_gate: 409,
  upstream_unreachable: 502,
  store_conflict: 409,
  store_corrupt: 500,
  address_in_use: 500,
  timeout: 504,
  unavailable: 503,
  internal: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** The one error class. `message` is safe to show to a caller and says how to mend it; `cause` goes to the log only. */
export class TealgateError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TealgateError';
    this.code = code;
    this.status = ERROR_STATUS[code];
    this.details = options.details ?? {};
  }

  /** Wraps anything thrown; a TealgateError passes through unchanged. */
  static from(error: unknown): TealgateError {
    if (error instanceof TealgateError) return error;
    return new TealgateError('internal', 'internal error; the log has the cause', { cause: error });
  }
}
