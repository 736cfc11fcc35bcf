import { performance } from 'node:perf_hooks';

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

let recent = 0;

/** `performance.now()`: milliseconds of this thread's own clock, which its deadlines are set by. */
export function readClockMs(): number {
  recent = performance.now();
  return recent;
}

/**
 * What `readClockMs` last returned in this thread, without reading it again: for deadlines that are set where it was read
 * a moment ago. A sweep of the deadlines reads it too, so that it is never far behind.
 */
export function recentClockMs(): number {
  return recent;
}

export const systemClock: Clock = { monotonicMs, wallMs: Date.now };
