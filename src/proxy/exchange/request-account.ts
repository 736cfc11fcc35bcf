import { readClockMs } from '../../platform/clock.ts';
import { NO_GRPC, outcomeOfGrpc } from '../../traffic/grpc.ts';
import type { Outcome } from '../../traffic/ledger.ts';
import type { AccessLog } from '../access-log.ts';
import { countAccepted, countAnswered, countOutcome } from '../accounting.ts';
import type { Service } from '../routing-table.ts';
import type { Attempt } from './attempt.ts';
import type { RequestFacts } from './request-policy.ts';

/** Where requests are accounted for, beside the ledgers of their services and upstreams. */
interface Books {
  /** The ledger of requests that no service answers to. */
  readonly unrouted: Float64Array;
  readonly accessLog: AccessLog | null;
}

/**
 * The account of one request: it is accepted once and settled with one outcome. One object serves the requests of a
 * connection in turn.
 */
export class RequestAccount {
  /** What the client is answered with; 499 where it did not wait for that. */
  status = 0;
  settled = true;

  readonly #books: Books;
  #request: RequestFacts | null = null;
  #service: Service | null = null;
  #startedAtMs = 0;
  /** When it was first sent to a target; 0 before. */
  #sentAtMs = 0;

  constructor(books: Books) {
    this.#books = books;
  }

  /** `service`: null where none answers to the request. */
  accept(request: RequestFacts, service: Service | null, startedAtMs: number): void {
    this.status = 0;
    this.settled = false;
    this.#request = request;
    this.#service = service;
    this.#startedAtMs = startedAtMs;
    this.#sentAtMs = 0;
    countAccepted(service?.ledger ?? this.#books.unrouted);
  }

  sent(nowMs: number): void {
    if (this.#sentAtMs === 0) this.#sentAtMs = nowMs;
  }

  /** `attempt`: the last one; `bytes`: of the response's body. */
  settle(outcome: Outcome, attempt: Attempt, bytes: number, nowMs = readClockMs()): void {
    this.settled = true;
    const request = this.#request as RequestFacts; // set by accept()
    const service = this.#service;
    const { unrouted, accessLog } = this.#books;
    countOutcome(service?.ledger ?? unrouted, outcome);
    const durationMs = nowMs - this.#startedAtMs;
    const upstreamMs = this.#sentAtMs === 0 ? 0 : nowMs - this.#sentAtMs;
    const upstream = attempt.upstream ?? service?.stable ?? null;
    if (upstream !== null) countAnswered(upstream.ledger, request.method, this.status, durationMs, upstreamMs);
    if (accessLog === null) return;
    accessLog.write({
      givenId: request.givenId,
      number: request.number,
      client: request.client,
      method: request.methodName,
      host: request.host,
      path: request.path,
      status: this.status,
      bytes,
      durationMs,
      upstreamMs,
      service: service?.route.name ?? '',
      upstream: attempt.upstream?.route.name ?? '',
      target: attempt.target?.route.url ?? '',
      retries: Math.max(attempt.count - 1, 0),
      outcome,
    });
  }
}

/** Of an answered request. */
export function outcomeOf(status: number, grpcStatus: number): Outcome {
  if (grpcStatus !== NO_GRPC) return outcomeOfGrpc(grpcStatus);
  if (status < 400) return 'ok';
  return status < 500 ? 'client_error' : 'server_error';
}
