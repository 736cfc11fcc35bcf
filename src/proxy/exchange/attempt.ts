import type { UpstreamLink } from '../../http1/upstream-link.ts';
import type { FuseState } from '../../traffic/fuse-state.ts';
import { NO_GRPC } from '../../traffic/grpc.ts';
import { TARGET, UPSTREAM } from '../../traffic/ledger.ts';
import { add } from '../accounting.ts';
import type { Service, Target, Upstream } from '../routing-table.ts';
import type { Choice } from './choice.ts';
import type { Dial } from './dial.ts';
import type { RequestFacts } from './request-policy.ts';

/**
 * One try of a request on one upstream: the gauges it moves, its place on trial, and its one judgement. One object
 * serves the attempts of a connection in turn.
 */
export class Attempt {
  upstream: Upstream | null = null;
  target: Target | null = null;
  connection: UpstreamLink | null = null;
  /** In place of a connection, for a WebSocket handshake. */
  dial: Dial | null = null;
  /** The upstream was a candidate when it was picked: its failures are answered by stable. */
  onTrial = false;
  /** Of the request, this one counted. */
  count = 0;

  /** Of the final response head; 0 before it came. */
  status = 0;
  /** Of its gRPC call, as far as it is known; NO_GRPC for what is none. */
  grpcStatus = NO_GRPC;
  /** What the response reported of the business. */
  report = '';

  readonly #choice: Choice;
  /** Salt of the rollout under which the candidate was picked; empty for any other upstream. */
  #rollout = '';
  #judged = false;
  /** Something of it is counted by rules, for which it is timed. */
  #timed = false;
  #enteredAtMs = 0;
  #headAtMs = 0;
  /** To be told of the answer; null when there is none, or it was told. */
  #fuse: FuseState | null = null;

  /** `choice`: of the upstream for the request. */
  constructor(choice: Choice) {
    this.#choice = choice;
  }

  reset(): void {
    this.upstream = null;
    this.target = null;
    this.connection = null;
    this.dial = null;
    this.onTrial = false;
    this.count = 0;
    this.status = 0;
    this.grpcStatus = NO_GRPC;
    this.report = '';
    this.#judged = false;
    this.#timed = false;
    this.#fuse = null;
  }

  /** When the target in hand waits no longer, in `performance.now()` time; Infinity for never. */
  get cutAtMs(): number {
    return this.target?.cutAtMs ?? Number.POSITIVE_INFINITY;
  }

  begin(service: Service, upstream: Upstream): void {
    this.upstream = upstream;
    this.onTrial = !this.#choice.forced && service.candidate?.route.id === upstream.route.id;
    this.status = 0;
    this.grpcStatus = NO_GRPC;
    this.report = '';
    this.#rollout = this.onTrial ? service.route.salt : '';
    this.#judged = this.#choice.forced;
    this.#timed = false;
  }

  /** The request goes to this target. */
  enter(service: Service, upstream: Upstream, target: Target): void {
    this.target = target;
    this.count++;
    add(upstream.ledger, UPSTREAM.inFlight, 1);
    add(target.ledger, TARGET.inFlight, 1);
    add(target.ledger, TARGET.attempts, 1);
    if (service.counters !== null) this.#beginTiming();
    if (!this.onTrial || service.fuse === null) return;
    this.#fuse = service.fuse;
    this.#fuse.onSent();
  }

  /** The final response head came. */
  headCame(status: number): void {
    this.status = status;
    if (this.#timed) this.#headAtMs = performance.now();
  }

  /** A response head below 500 came. */
  answered(): void {
    this.#fuse?.onAnswered();
    this.#fuse = null;
  }

  /** The target failed it, whatever becomes of the request. */
  failed(): void {
    if (this.target !== null) add(this.target.ledger, TARGET.failures, 1);
  }

  drop(): void {
    this.connection?.destroy();
    this.connection = null;
    this.dial?.destroy();
    this.dial = null;
  }

  leave(): void {
    if (this.target === null || this.upstream === null) return;
    this.#fuse?.onUnanswered();
    this.#fuse = null;
    add(this.upstream.ledger, UPSTREAM.inFlight, -1);
    add(this.target.ledger, TARGET.inFlight, -1);
    this.target = null;
    this.upstream.room?.call();
  }

  /**
   * Counts the attempt for the guards, once; attempts that a client cut short are never judged. `service`: as the table
   * in force has it. True when this blew the candidate's fuse. What was sent to an upstream before the rollout that has it
   * as its candidate now, perhaps with other software on it, speaks for or against its target alone.
   */
  judge(service: Service, request: RequestFacts, isFailure: boolean): boolean {
    if (this.#judged || this.upstream === null) return false;
    this.#judged = true;
    if (this.target !== null) countJudged(this.target.ledger, isFailure, service.route.streakLimit);
    const isCandidate = service.candidate?.route.id === this.upstream.route.id;
    if (isCandidate && this.#rollout !== service.route.salt) return false;
    add(this.upstream.ledger, UPSTREAM.trials, 1);
    if (isFailure) add(this.upstream.ledger, UPSTREAM.errors, 1);
    if (service.counters !== null) service.counters.count(this.upstream, request, this, isFailure);
    return isCandidate && service.fuse?.record(isFailure) === true;
  }

  /**
   * Measured from when the target was picked, so that a slow connection counts too. Without a head: up to now. 0 for an
   * attempt that began before anything was counted.
   */
  get tookMs(): number {
    if (!this.#timed) return 0;
    const endedAtMs = this.#headAtMs > 0 ? this.#headAtMs : performance.now();
    return endedAtMs - this.#enteredAtMs;
  }

  #beginTiming(): void {
    this.#timed = true;
    this.#enteredAtMs = performance.now();
    this.#headAtMs = 0;
  }
}

/** For outlier detection: trials before errors before runs, and read the other way round. */
function countJudged(target: Float64Array, isFailure: boolean, streakLimit: number): void {
  add(target, TARGET.trials, 1);
  if (!isFailure) {
    target[TARGET.streak] = 0;
    return;
  }
  add(target, TARGET.errors, 1);
  add(target, TARGET.streak, 1);
  if (streakLimit === 0 || (target[TARGET.streak] as number) < streakLimit) return;
  target[TARGET.streak] = 0;
  add(target, TARGET.runs, 1);
}
