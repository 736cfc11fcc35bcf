import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceView } from '../app/control-plane.ts';
import { monotonicMs } from '../platform/clock.ts';
import type { AdminClient } from './client.ts';
import { CliError, EXIT } from './exit.ts';

const POLL_MS = 250;
/** A gate that restarts is away for a moment; a command that waits for its rollout should not give up on it. */
const PATIENCE_MS = 10_000;
/** What an answer may take at the very end: a wait of no time at all is a question. */
const LAST_ANSWER_MS = 1000;
/** Longest that a timer can wait. */
const MOST_MS = 2 ** 31 - 1;

export interface FollowOptions {
  /** Most to wait; null for ever. At its end CliError `timeout` is thrown. */
  readonly timeoutMs: number | null;
  /** What was waited for, for the message of the timeout. */
  readonly waitingFor: string;
  readonly signal: AbortSignal;
  /** Default 250 ms. */
  readonly everyMs?: number;
}

/** What `read` returns, again and again, until the caller has seen enough. The first reading must succeed. */
export async function* poll<T>(read: () => Promise<T>, options: FollowOptions): AsyncGenerator<T> {
  const endsAt = options.timeoutMs === null ? Number.POSITIVE_INFINITY : monotonicMs() + options.timeoutMs;
  let lastSeen = Number.NEGATIVE_INFINITY;
  for (;;) {
    try {
      const reading = await within(read(), endsAt, options);
      lastSeen = monotonicMs();
      yield reading;
    } catch (error) {
      const away = error instanceof CliError && error.exit === EXIT.unreachable;
      if (!away || monotonicMs() - lastSeen > PATIENCE_MS) throw error;
    }
    const left = endsAt - monotonicMs();
    if (left <= 0) throw timeoutError(options);
    await sleep(Math.min(left, options.everyMs ?? POLL_MS), undefined, { signal: options.signal });
  }
}

/** A gate that takes a connection and does not answer must not outlast the timeout; the reading ends with the command. */
async function within<T>(reading: Promise<T>, endsAt: number, options: FollowOptions): Promise<T> {
  if (endsAt === Number.POSITIVE_INFINITY) return reading;
  const over = new AbortController();
  const leftMs = Math.min(MOST_MS, Math.max(LAST_ANSWER_MS, endsAt - monotonicMs()));
  const late = sleep(leftMs, undefined, { signal: over.signal });
  try {
    return await Promise.race([reading, late.then(() => Promise.reject(timeoutError(options)))]);
  } finally {
    over.abort();
  }
}

/** Reads the service until `done` says so and returns that reading. `each` sees all of them. */
export async function until(
  client: AdminClient,
  service: string,
  options: FollowOptions & {
    readonly done: (view: ServiceView) => boolean;
    readonly each: (view: ServiceView) => void;
  },
): Promise<ServiceView> {
  for await (const view of poll(() => client.service(service), options)) {
    if (options.done(view)) return view;
    options.each(view);
  }
  throw timeoutError(options);
}

function timeoutError(options: FollowOptions): CliError {
  return new CliError(EXIT.timeout, `timed out waiting for ${options.waitingFor}`);
}
