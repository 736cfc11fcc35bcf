import { usableStable } from '../pick.ts';
import type { Service, Upstream } from '../routing-table.ts';
import { type AttemptFailure, neverReached } from './failures.ts';

/** What of a request decides whether it may be sent again. */
export interface Repeatable {
  /** All of it is still at hand. */
  readonly replayable: boolean;
  /** RFC 9110 §9.2.2. */
  readonly idempotent: boolean;
}

/**
 * What to do about a failed attempt. `fresh`: the same upstream by a new connection, and nobody is charged; `elsewhere`:
 * stable or another target, as far as there is one; `give_up`: tell the client.
 */
export type Recovery = 'fresh' | 'elsewhere' | 'give_up';

/** The request may reach a target twice. */
export function mayRepeat({ replayable, idempotent }: Repeatable): boolean {
  return replayable && idempotent;
}

/** `unanswered`: the connection had been used before, and nothing came by it for this request. */
export function recoveryFrom(failure: AttemptFailure, unanswered: boolean, request: Repeatable): Recovery {
  if (unanswered && isRace(failure, request)) return 'fresh';
  return (request.replayable && neverReached(failure)) || mayRepeat(request) ? 'elsewhere' : 'give_up';
}

/** The target closed a connection as we used it: no fault of anybody's (RFC 9112 §9.3.1, RFC 9113 §6.8). */
function isRace(failure: AttemptFailure, request: Repeatable): boolean {
  return failure === 'reset' ? mayRepeat(request) : failure === 'unprocessed' && request.replayable;
}

/**
 * Who answers in place of an upstream that was picked as a rollout's candidate and failed: stable, if it can. It needs
 * no budget, since at weight 0 stable would have had the request anyway.
 */
export function shieldOf(service: Service, failed: Upstream): Upstream | null {
  const stable = usableStable(service);
  return stable === null || stable.route.id === failed.route.id ? null : stable;
}
