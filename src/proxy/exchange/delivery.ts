import type { Head } from '../../http1/head.ts';
import type { Tap } from '../../http1/tap.ts';
import type { UpstreamHandler } from '../../http1/upstream-link.ts';
import { isGrpcFault, NO_GRPC } from '../../traffic/grpc.ts';
import { UPSTREAM } from '../../traffic/ledger.ts';
import { add } from '../accounting.ts';
import type { Gateway } from '../gateway.ts';
import { isBusy, pickTarget } from '../pick.ts';
import type { Service, Target, Upstream } from '../routing-table.ts';
import type { Attempt } from './attempt.ts';
import type { Choice } from './choice.ts';
import type { Departing } from './departures.ts';
import { Dial } from './dial.ts';
import type { AttemptFailure, Failure } from './failures.ts';
import { mayRepeat, type Repeatable, recoveryFrom, shieldOf } from './recovery.ts';
import { takeReport } from './reports.ts';
import type { RequestFacts } from './request-policy.ts';
import type { RequestRelay } from './request-relay.ts';
import { Wait } from './wait.ts';
import type { Waiter, WaitingRoom } from './waiting-room.ts';

/** What an exchange is told of its delivery; `onConnected`: the attempt in hand has a connection. */
export interface DeliveryHandler extends UpstreamHandler {
  /** As `onConnected`, for a handshake: with a connection of its own. */
  onDialed(upstream: Upstream, target: Target, peer: Tap): void;
  /** It waits, for its turn, a place or a connection. */
  onWaiting(): void;
  /** Nothing is left to be tried. */
  onUndeliverable(failure: Failure): void;
}

/** What deliveries share with the exchange they belong to. */
export interface DeliveryParts {
  readonly choice: Choice;
  readonly attempt: Attempt;
  readonly relay: RequestRelay;
}

/**
 * The delivery of a request: attempt after attempt, until one has a connection and its answer is accepted, or nothing is
 * left to be tried. One object serves the requests of a connection in turn.
 */
export class Delivery implements Waiter, Departing {
  departureIndex = -1;

  readonly #gateway: Gateway;
  readonly #handler: DeliveryHandler;
  readonly #choice: Choice;
  readonly #attempt: Attempt;
  readonly #relay: RequestRelay;
  readonly #wait = new Wait();
  #request: RequestFacts | null = null;
  #service: Service | null = null;
  /** The next attempt must not use a pooled connection. */
  #fresh = false;
  /** Targets that failed the request. */
  readonly #tried: Target[] = [];

  constructor(gateway: Gateway, handler: DeliveryHandler, { choice, attempt, relay }: DeliveryParts) {
    this.#gateway = gateway;
    this.#handler = handler;
    this.#choice = choice;
    this.#attempt = attempt;
    this.#relay = relay;
  }

  begin(service: Service, request: RequestFacts, upstream: Upstream): void {
    this.#service = service;
    this.#request = request;
    this.#fresh = false;
    this.#tried.length = 0;
    this.#wait.reset();
    if (!this.#gateway.departures.enter(this)) {
      this.#arrive(upstream);
      return;
    }
    this.#attempt.begin(this.#current, upstream);
    this.#handler.onWaiting();
  }

  /** The request is over. */
  end(): void {
    this.#gateway.departures.leave(this);
    this.#wait.leave(this);
    this.#attempt.leave();
  }

  /** Until when it waits for a place, in `performance.now()` time; Infinity while it does not. */
  get placeAtMs(): number {
    return this.#wait.endsAtMs;
  }

  onDeparture(): void {
    const upstream = this.#awaited;
    if (upstream === null) this.#choose();
    else this.#arrive(upstream);
  }

  onTurn(): void {
    this.#wait.onTurn();
    const upstream = this.#awaited;
    if (upstream === null) this.#choose();
    else this.#try(upstream);
  }

  /** It has waited for a place as long as it may. */
  onWaitedInVain(): void {
    this.#wait.leave(this);
    this.#withoutTarget('no_place');
  }

  /** The attempt in hand has failed, and the client knows nothing of an answer yet. */
  onFailure(failure: AttemptFailure): void {
    const { connection } = this.#attempt;
    this.#attempt.connection = null;
    if (failure === 'local') {
      this.#gateway.onShortage();
      this.#handler.onUndeliverable(failure);
      return;
    }
    const unanswered = connection?.reused === true && !connection.answered;
    const recovery = recoveryFrom(failure, unanswered, this.#repeatable);
    if (recovery === 'fresh') {
      this.#retryFresh();
      return;
    }
    this.#attempt.failed();
    this.judge(true);
    if (recovery === 'elsewhere' && this.#retryElsewhere()) return;
    this.#handler.onUndeliverable(failure);
  }

  /** Whether the final response head is to be relayed; else stable has been asked instead. */
  accepts(head: Head): boolean {
    const attempt = this.#attempt;
    this.#gateway.departures.onAnswer();
    attempt.headCame(head.status);
    const { reportField } = this.#service as Service; // set by begin()
    if (reportField !== null) attempt.report = takeReport(head, reportField);
    attempt.grpcStatus = attempt.connection?.grpcStatus ?? NO_GRPC;
    if (head.status >= 500 || isGrpcFault(attempt.grpcStatus)) return !this.#shieldFromAnswer();
    attempt.answered();
    return true;
  }

  /** The target has not answered in time. */
  onTimeout(): void {
    this.#attempt.failed();
    if (this.#shieldFromAnswer()) return;
    this.#attempt.drop();
    this.judge(true);
    this.#handler.onUndeliverable('response_timeout');
  }

  /** Counts the attempt in hand for the guards, once. */
  judge(isFailure: boolean): void {
    const service = this.#current;
    const request = this.#request as RequestFacts; // set by begin()
    if (this.#attempt.judge(service, request, isFailure)) this.#gateway.blowFuse(service);
  }

  /** The service as the table in force has it. */
  get #current(): Service {
    return this.#gateway.current(this.#service as Service); // set by begin()
  }

  get #repeatable(): Repeatable {
    return { replayable: this.#relay.replayable, idempotent: this.#request?.idempotent === true };
  }

  /** The upstream it waited for; null where it is not to go there any more. */
  get #awaited(): Upstream | null {
    const service = this.#current;
    const upstream = service.upstreams.get(this.#attempt.upstream?.route.name ?? '') ?? null;
    return upstream !== null && this.#choice.stands(service, upstream) ? upstream : null;
  }

  #choose(): void {
    const upstream = this.#choice.anew(this.#current);
    if (upstream === null) this.#handler.onUndeliverable('no_target');
    else this.#arrive(upstream);
  }

  /** Behind those who wait there already; repeated attempts were there before them. */
  #arrive(upstream: Upstream): void {
    if (upstream.room === null || upstream.room.size === 0) {
      this.#try(upstream);
      return;
    }
    this.#attempt.begin(this.#current, upstream);
    this.#enter(upstream.room);
  }

  #try(upstream: Upstream): void {
    const attempt = this.#attempt;
    const service = this.#current;
    const target = pickTarget(upstream, this.#tried);
    attempt.begin(service, upstream);
    if (target === null) {
      if (upstream.room !== null && isBusy(upstream, this.#tried)) this.#enter(upstream.room);
      else this.#withoutTarget('no_target');
      return;
    }
    attempt.enter(service, upstream, target);
    if (this.#request?.upgrade && target.pool.upgradable) {
      this.#dial(upstream, target);
      return;
    }
    attempt.connection = this.#fresh ? null : target.pool.takeIdle(this.#handler);
    if (attempt.connection !== null) {
      this.#handler.onConnected();
      return;
    }
    attempt.connection = target.pool.connect(this.#handler, this.#connectTimeoutMs);
    this.#handler.onWaiting();
  }

  /** A tunnel needs a connection of its own. It is made before the client's socket is given away, so that it can fail. */
  #dial(upstream: Upstream, target: Target): void {
    const { host, port } = target.route;
    this.#attempt.dial = new Dial(
      { host, port, tls: target.pool.tls, timeoutMs: this.#connectTimeoutMs },
      (peer) => {
        this.#attempt.dial = null;
        this.#handler.onDialed(upstream, target, peer);
      },
      (failure) => {
        this.#attempt.dial = null;
        this.#handler.onUpstreamFailure(failure);
      },
    );
    this.#handler.onWaiting();
  }

  get #connectTimeoutMs(): number {
    return (this.#service as Service).route.timeouts.connectMs; // set by begin()
  }

  /** Every target of the upstream in hand is at its limit. */
  #enter(room: WaitingRoom): void {
    if (!this.#wait.begin(room, this, this.#current.route.limits?.queueTimeoutMs ?? 0)) {
      this.#withoutTarget('no_place');
      return;
    }
    this.#handler.onWaiting();
  }

  /**
   * The upstream in hand has no eligible target (left), or none in time: a candidate is charged and shielded, any other
   * is an error.
   */
  #withoutTarget(failure: 'no_target' | 'no_place'): void {
    const stable = this.#shield();
    if (stable === null) {
      this.#handler.onUndeliverable(failure);
      return;
    }
    this.judge(true);
    this.#arrive(stable);
  }

  /** Takes a request back from the candidate: the upstream to answer it, or null. */
  #shield(): Upstream | null {
    const { onTrial, upstream } = this.#attempt;
    if (!onTrial || upstream === null) return null;
    const stable = shieldOf(this.#current, upstream);
    if (stable === null) return null;
    add(upstream.ledger, UPSTREAM.shielded, 1);
    this.#tried.length = 0;
    return stable;
  }

  /** A failure that the candidate is still to be dropped for, by its answer or by giving none in time. */
  #shieldFromAnswer(): boolean {
    if (!mayRepeat(this.#repeatable) || !this.#relay.done) return false;
    const stable = this.#shield();
    if (stable === null) return false;
    this.judge(true);
    this.#attempt.drop();
    this.#attempt.leave();
    this.#arrive(stable);
    return true;
  }

  #retryFresh(): void {
    const { upstream } = this.#attempt;
    this.#fresh = true;
    this.#attempt.leave();
    if (upstream !== null) this.#retry(upstream);
  }

  /** On stable if the candidate failed, else on another target of the same upstream, within limits and budget. */
  #retryElsewhere(): boolean {
    const stable = this.#shield();
    if (stable !== null) {
      this.#attempt.leave();
      this.#arrive(stable);
      return true;
    }
    const { upstream, target, count } = this.#attempt;
    const service = this.#service;
    if (upstream === null || service === null || target === null) return false;
    this.#tried.push(target);
    const possible = count <= service.route.retries.attempts && pickTarget(upstream, this.#tried) !== null;
    if (!possible || !service.budget.tryRetry()) return false;
    this.#attempt.leave();
    this.#retry(upstream);
    return true;
  }

  #retry(upstream: Upstream): void {
    add(upstream.ledger, UPSTREAM.retries, 1);
    this.#try(upstream);
  }
}
