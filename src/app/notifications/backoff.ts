const LONGEST_MS = 3_600_000;

export interface Failure {
  /** Attempts so far, this one included. */
  readonly attempts: number;
  readonly backoffMs: number;
  /** What the receiver asked for; null when it did not. */
  readonly retryAfterMs: number | null;
  /** 0 to 1. */
  readonly random: number;
}

/**
 * How long to wait after a failure: doubled with each, up to an hour, less up to half of it by chance, so that what
 * failed together does not come again together; never sooner than the receiver asks for.
 */
export function waitAfter({ attempts, backoffMs, retryAfterMs, random }: Failure): number {
  const full = Math.min(LONGEST_MS, backoffMs * 2 ** Math.min(30, attempts - 1));
  return Math.max(full * (1 - random / 2), Math.min(LONGEST_MS, retryAfterMs ?? 0));
}
