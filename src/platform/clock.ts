/** A source of time. `monotonicMs` never jumps and is shared by all threads of the process; `wallMs` is for display. */
export interface Clock {
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch. */
  wallMs(): number;
}

/** Fractional milliseconds of CLOCK_MONOTONIC: the same zero in every thread, untouched by NTP. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

export const systemClock: Clock = { monotonicMs, wallMs: Date.now };
