/**
 * The ledger: counts that workers write and the control plane reads, in typed arrays on shared memory.
 *
 * Each block (service, upstream, target) holds one stripe per worker, so every cell has exactly one writer and needs no
 * atomics: aligned 8-byte cells are read and written whole on every platform Node runs on. Reading sums the stripes.
 */

/** How a request ended, as the client saw it. Every accepted request ends in exactly one of these. */
export const OUTCOMES = [
  'ok', // relayed, status < 400 (also an upgrade that was switched)
  'client_error', // relayed 4xx of the target
  'server_error', // relayed 5xx of the target
  'connect_failed', // refused, unreachable, TLS failure: 502 by us
  'reset', // the target closed or broke the protocol before a response head: 502 by us
  'timeout', // no connection or response head in time: 504 by us
  'truncated', // the target died inside the response body
  'no_target', // no eligible target: 503 by us
  'overloaded', // a limit of ours: 503 by us
  'client_abort', // the client left: 499 in the log only
  'cut', // cut by us at a drain deadline
  'rejected', // refused by us before routing or by policy: 4xx
  'internal', // a fault of ours: 500
  'lost', // was in flight in a worker that died
] as const;
export type Outcome = (typeof OUTCOMES)[number];

export const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'OTHER'] as const;

/** Codes with a cell of their own; any other is counted as `other` (index 0). */
export const CODES: readonly number[] = [
  100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400,
  401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425,
  426, 428, 429, 431, 444, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511, 520, 521, 522, 523, 524,
  525, 526, 527, 529, 530, 598, 599,
];
const CODE_CELLS = CODES.length + 1;

/** Cell of each status code, 0 for those without one. */
const CODE_INDEX: Uint8Array = (() => {
  const index = new Uint8Array(1000);
  CODES.forEach((code, i) => {
    index[code] = i + 1;
  });
  return index;
})();

/** Upper bounds of the Prometheus histograms, seconds (OpenTelemetry HTTP semantic conventions). */
export const DURATION_BOUNDS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;
/** Overhead is far smaller than a response time: microseconds to a few milliseconds. */
export const OVERHEAD_BOUNDS_S = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
] as const;
/** A histogram is its 14 buckets, the +Inf bucket and the sum in seconds. */
export const HISTOGRAM_CELLS = DURATION_BOUNDS_S.length + 2;

/** Fine latency buckets for quantiles: 16 per power of two of microseconds, up to 2^27 µs (134 s); error <= 6.25 %. */
export const FINE_SUB = 16;
export const FINE_CELLS = 24 * FINE_SUB;

/** Cells of a service's block. */
export const SERVICE = {
  accepted: 0,
  /** OUTCOMES.length cells. */
  outcomes: 1,
  size: 1 + OUTCOMES.length,
} as const;

/** Cells of an upstream's block. `trials` and `errors` are what a guard judges: attempts, client aborts left out. */
export const UPSTREAM = {
  inFlight: 0,
  upgrades: 1,
  pins: 2,
  trials: 3,
  errors: 4,
  retries: 5,
  shielded: 6,
  requests: 7,
  /** METHODS.length * CODE_CELLS cells: requests answered, by method and code. */
  methodCode: 8,
  requestDuration: 8 + METHODS.length * CODE_CELLS,
  upstreamDuration: 8 + METHODS.length * CODE_CELLS + HISTOGRAM_CELLS,
  overhead: 8 + METHODS.length * CODE_CELLS + 2 * HISTOGRAM_CELLS,
  /** FINE_CELLS cells: request duration in fine buckets. */
  fine: 8 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS,
  /** Requests that wait for a place on a target. */
  queued: 8 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
  /** Copies of requests that it was sent; those left out since too many were under way, or no target took one. */
  mirrored: 9 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
  mirrorSkipped: 10 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
  /** Copies that it answered with 5xx or not at all. */
  mirrorErrors: 11 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
  /** Copies whose response was compared with stable's first, and those that differed; on stable, with itself. */
  compared: 12 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
  differed: 13 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
  size: 14 + METHODS.length * CODE_CELLS + 3 * HISTOGRAM_CELLS + FINE_CELLS,
} as const;

/** Slots of an upstream's block of counters: as many as counting rules may be in force for a service at a time. */
export const SLOTS = 16;
/** Latency of a slot, up to the response head: 8 buckets per power of two of microseconds; error at most 12.5 %. */
export const LATENCY_BUCKETS = FINE_CELLS / 2;

/** Cells of one slot: what one counting rule (see snapshot.ts) counts of one upstream's judged attempts. */
export const SLOT = {
  errors: 0,
  slow: 1,
  /** Attempts that reported the event of the rule. */
  events: 2,
  /** LATENCY_BUCKETS cells. */
  buckets: 3,
  /** Last, since a whole slot is read from its first cell to its last. */
  trials: 3 + LATENCY_BUCKETS,
  size: 4 + LATENCY_BUCKETS,
} as const;

/**
 * Cells of a target's block. `failures` are attempts without a response head; `trials` and `errors` are judged as an
 * upstream's are, so that 5xx and cut bodies are errors too. `streak`: errors in a row up to now, as this worker saw
 * them; each time they reach the service's limit, `runs` grows by one and the streak begins anew.
 */
export const TARGET = {
  inFlight: 0,
  upgrades: 1,
  attempts: 2,
  failures: 3,
  connections: 4,
  trials: 5,
  errors: 6,
  streak: 7,
  runs: 8,
  size: 9,
} as const;

/** A new zeroed block with one stripe per worker. */
export function createBlock(size: number, workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(size * workers * Float64Array.BYTES_PER_ELEMENT);
}

/** The stripe that worker number `worker` (from 0) writes. */
export function stripe(block: SharedArrayBuffer, size: number, worker: number): Float64Array {
  return new Float64Array(block, worker * size * Float64Array.BYTES_PER_ELEMENT, size);
}

/** All stripes added up: `size` cells. */
export function readBlock(block: SharedArrayBuffer, size: number): Float64Array {
  const all = new Float64Array(block);
  const sum = new Float64Array(size);
  for (let i = 0; i < all.length; i++) sum[i % size] = (sum[i % size] ?? 0) + (all[i] ?? 0);
  return sum;
}

/** One cell added up over the stripes. */
export function readCell(block: SharedArrayBuffer, size: number, cell: number): number {
  const all = new Float64Array(block);
  let sum = 0;
  for (let i = cell; i < all.length; i += size) sum += all[i] ?? 0;
  return sum;
}

/** Cell of `methodCode` for a method's index in METHODS and a status code. */
export function methodCodeCell(method: number, code: number): number {
  return UPSTREAM.methodCode + method * CODE_CELLS + (CODE_INDEX[code] ?? 0);
}
