import type { Socket } from 'node:net';
import type { BodyReader } from '../http1/body-reader.ts';
import type { Timed } from '../http1/deadlines.ts';
import type { ActiveRequest, DownstreamConnection } from '../http1/downstream-connection.ts';
import type { Head } from '../http1/head.ts';
import type { UpstreamHandler } from '../http1/upstream-connection.ts';
import { readClockMs, recentClockMs } from '../platform/clock.ts';
import { isGrpcFault, NO_GRPC, outcomeOfGrpc } from '../traffic/grpc.ts';
import { type Outcome, UPSTREAM } from '../traffic/ledger.ts';
import { add, countAccepted, countAnswered, countOutcome } from './accounting.ts';
import { Attempt } from './attempt.ts';
import { Dial } from './dial.ts';
import { type AttemptFailure, FAILURES, neverReached } from './failures.ts';
import { contextOf, type Gateway } from './gateway.ts';
import { httpDate } from './http-date.ts';
import type { Mirror, MirrorTicket } from './mirror.ts';
import { sendCopies } from './mirror-copy.ts';
import { isBusy, pickPinned, pickTarget, pickUnpinned, stillTakes, usableStable } from './pick.ts';
import { previewedBy } from './preview.ts';
import { PROXY_ERRORS, type ProxyError, renderReply } from './replies.ts';
import { takeReport } from './reports.ts';
import { describeRequest, localAnswer, type RequestFacts, rewriteOf } from './request-policy.ts';
import { type BodyRefusal, isRefusal, RequestRelay } from './request-relay.ts';
import { ResponseRelay } from './response-relay.ts';
import type { Service, Target, Upstream } from './routing-table.ts';
import type { Waiter, WaitingRoom } from './waiting-room.ts';

/** A client that asked for 100 Continue and hears nothing gets it from us after this long (RFC 9110 §10.1.1). */
const CONTINUE_AFTER_MS = 1000;
/** A client that closed its sending side may have left altogether: it gets this long for an answer to begin. */
const HALF_CLOSED_MS = 2000;
const NEVER = Number.POSITIVE_INFINITY;
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/**
 * One request from its head to its one outcome: route, pick, forward, account. It may take several attempts; all of
 * them end before the outcome is counted. Every way out leads through #settle, which runs once. Telling the client's
 * connection that the request is finished comes last, since that may begin the next one.
 */
export class Exchange implements ActiveRequest, UpstreamHandler, Timed, Waiter {
  deadlineMs = NEVER;
  deadlineIndex = -1;

  readonly #gateway: Gateway;
  readonly #client: DownstreamConnection;
  #request: RequestFacts | null = null;
  #service: Service | null = null;
  #settled = true;

  readonly #attempt = new Attempt();
  /** The next attempt must not use a pooled connection. */
  #fresh = false;
  readonly #tried: Target[] = [];
  /** Where it waits for a place on a target; null while it does not. */
  #room: WaitingRoom | null = null;
  #waitUntilMs = NEVER;

  readonly #up: RequestRelay;
  readonly #down: ResponseRelay;
  #status = 0;
  /** The request is copied once it is answered. */
  #mirror: MirrorTicket | null = null;
  /** The client has no valid pin: it is given one for the upstream that answers. */
  #newPin = false;
  /** We are short of what this connection holds, so that it must end. */
  #wanting = false;

  #startedAtMs = 0;
  #sentAtMs = 0;
  #responseAtMs = NEVER;
  #continueAtMs = NEVER;
  #halfClosedAtMs = NEVER;

  constructor(gateway: Gateway, client: DownstreamConnection) {
    this.#gateway = gateway;
    this.#client = client;
    this.#up = new RequestRelay(gateway.writer, client.reader, contextOf(client).bodyBytes);
    this.#down = new ResponseRelay(client, gateway.writer);
  }

  /** Takes the request over; may answer it at once. */
  start(head: Head, buf: Buffer): void {
    const gateway = this.#gateway;
    const context = contextOf(this.#client);
    this.#reset();
    this.#startedAtMs = this.#client.receivedAtMs;
    const request = describeRequest(head, context.forwarding, gateway.nextNumber());
    this.#request = request;
    const service = gateway.table.matcher.only ?? gateway.table.matcher.match(request.host, request.path);
    this.#service = service;
    countAccepted(service?.ledger ?? gateway.unrouted);
    gateway.exchanges.add(this);
    this.#client.begin(this);

    const answer = localAnswer(head, gateway.pseudonym, service !== null, context.bodyBytes);
    if (answer !== null) {
      this.#reply(answer.status, answer.detail, answer.error, answer.status < 400 ? 'ok' : 'rejected', answer.extra);
      return;
    }
    if (service === null) return;
    service.budget.onRequest();
    const upstream = this.#preview(service, head) ?? this.#pick(service, head);
    if (upstream === null) {
      this.#replyError('connection_limit_reached', 'no_target');
      return;
    }
    const rewrite = rewriteOf(head, request, context.forwarding, { route: service.route, idLine: gateway.idLine });
    const refusal = this.#up.prepare(head, buf, rewrite);
    if (refusal !== null) {
      this.#refuseBody(refusal);
      return;
    }
    if (service.mirror !== null) this.#mirror = this.#mirrorTicket(service.mirror, upstream);
    if (request.expectContinue) this.#continueAtMs = this.#startedAtMs + CONTINUE_AFTER_MS;
    this.#arrive(upstream);
  }

  /** The same exchange serves one request of its connection after another, so that a request allocates none. */
  #reset(): void {
    this.#settled = false;
    this.#attempt.reset();
    this.#fresh = false;
    this.#tried.length = 0;
    this.#waitUntilMs = NEVER;
    this.#up.reset();
    this.#down.reset();
    this.#newPin = false;
    this.#mirror = null;
    this.#wanting = false;
    this.#status = 0;
    this.#sentAtMs = 0;
    this.#responseAtMs = NEVER;
    this.#continueAtMs = NEVER;
    this.#halfClosedAtMs = NEVER;
    this.deadlineMs = NEVER;
  }

  /** What is to be copied must be here as a whole. */
  #mirrorTicket(mirror: Mirror, upstream: Upstream): MirrorTicket | null {
    const { firstBytes, done } = this.#up;
    const request = this.#request as RequestFacts; // set by start()
    const isOurs = upstream === this.#service?.stable && !this.#attempt.forced && !request.upgrade;
    return isOurs && done && firstBytes > 0 ? mirror.take(request.method, firstBytes) : null;
  }

  /** The target in hand may have been told when to be cut. */
  onTableChanged(): void {
    this.#rearm();
  }

  // --- picking -------------------------------------------------------------------------------------------------

  /** The upstream that the request asks for by itself, whether it takes requests or not. */
  #preview(service: Service, head: Head): Upstream | null {
    const { preview } = service.route;
    if (preview === undefined) return null;
    const name = previewedBy(service, preview, head, this.#request?.host ?? '');
    this.#attempt.forced = name !== null;
    return service.upstreams.get(name ?? '') ?? null;
  }

  #pick(service: Service, head: Head): Upstream | null {
    if (this.#attempt.forced) return null; // it asked for the candidate, and there is none
    const { jar } = this.#gateway;
    if (service.route.pins.by === 'cookie') {
      const pinned = pickPinned(service, head, jar, this.#startedAtMs);
      if (pinned !== null) return pinned;
      this.#newPin = true;
    }
    const upstream = pickUnpinned(service, head, this.#request?.client ?? '');
    const held = upstream !== null && upstream === service.candidate && service.fuse?.admits === false;
    return held ? (usableStable(service) ?? upstream) : upstream;
  }

  /** Behind those who wait there already; repeated attempts were there before them. */
  #arrive(upstream: Upstream): void {
    if (upstream.room === null || upstream.room.size === 0) {
      this.#try(upstream);
      return;
    }
    this.#attempt.begin(this.#gateway.current(this.#service as Service), upstream); // picked for a matched service
    this.#wait(upstream.room);
  }

  #try(upstream: Upstream): void {
    const attempt = this.#attempt;
    const service = this.#gateway.current(this.#service as Service); // attempts are made for a matched service only
    const target = pickTarget(upstream, this.#tried);
    attempt.begin(service, upstream);
    if (target === null) {
      if (upstream.room !== null && isBusy(upstream, this.#tried)) this.#wait(upstream.room);
      else this.#withoutTarget('no_target');
      return;
    }
    attempt.enter(service, upstream, target);
    if (this.#request?.upgrade && target.pool.upgradable) {
      this.#dial(upstream, target);
      return;
    }
    attempt.connection = this.#fresh ? null : target.pool.takeIdle(this);
    if (attempt.connection !== null) {
      this.#send();
      return;
    }
    this.#client.holdBody();
    attempt.connection = target.pool.connect(this, this.#route.timeouts.connectMs);
    this.#rearm();
  }

  get #route(): Service['route'] {
    return (this.#service as Service).route; // attempts are made for a matched service only
  }

  /**
   * The upstream in hand has no eligible target (left), or none in time: a candidate is charged and shielded, any other
   * is an error.
   */
  #withoutTarget(outcome: 'no_target' | 'overloaded'): void {
    const stable = this.#shield();
    if (stable === null) {
      if (outcome === 'no_target') this.#replyError('connection_limit_reached', outcome);
      else this.#reply(503, 'this service has as many requests as it may', 'connection_limit_reached', outcome);
      return;
    }
    this.#judge(true);
    this.#arrive(stable);
  }

  /** Every target of the upstream in hand is at its limit. */
  #wait(room: WaitingRoom): void {
    const nowMs = performance.now();
    const { limits } = this.#gateway.current(this.#service as Service).route; // only matched requests wait
    if (this.#waitUntilMs === NEVER) this.#waitUntilMs = nowMs + (limits?.queueTimeoutMs ?? 0);
    if (nowMs >= this.#waitUntilMs || !room.enter(this)) {
      this.#withoutTarget('overloaded');
      return;
    }
    this.#room = room;
    if (!this.#up.done) this.#client.holdBody();
    this.#rearm();
  }

  /**
   * To the upstream it waited for, unless a change of routes has closed that one meanwhile. Who asked for it gets what it
   * says, as if it had come just now: a blown fuse is for those who did not.
   */
  onTurn(): void {
    this.#room = null;
    const service = this.#gateway.current(this.#service as Service);
    const before = service.upstreams.get(this.#attempt.upstream?.route.name ?? '');
    const { forced } = this.#attempt;
    if (before !== undefined && (forced || stillTakes(service, before))) {
      this.#try(before);
      return;
    }
    const upstream = forced ? null : service.picker.next();
    if (upstream === null) this.#replyError('connection_limit_reached', 'no_target');
    else this.#arrive(upstream);
  }

  // --- the request up ------------------------------------------------------------------------------------------

  onConnected(): void {
    this.#send();
  }

  #send(): void {
    const { connection } = this.#attempt;
    if (connection === null || this.#up.firstBytes === 0 || this.#request === null) return;
    const nowMs = readClockMs();
    if (this.#sentAtMs === 0) this.#sentAtMs = nowMs;
    this.#afterWrite(this.#up.begin(connection, this.#request));
  }

  /**
   * After the clock was read: the target's time runs once it has the whole request, or while it does not take what there is of it; a client that
   * is slow to send is the client's affair (see resumeBody).
   */
  #afterWrite(flushed: boolean): void {
    const { done } = this.#up;
    const targetsTurn = (done || !flushed) && !this.#down.committed;
    this.#responseAtMs = targetsTurn ? recentClockMs() + this.#route.timeouts.responseMs : NEVER;
    this.#rearm();
    if (done) return;
    if (flushed) this.#client.resumeBody();
    else this.#client.pauseBody();
  }

  onRequestBody(buf: Buffer): void {
    const { connection } = this.#attempt;
    if (connection === null) return;
    const flushed = this.#up.forward(buf, this.#client, connection);
    if (isRefusal(flushed)) this.#refuseBody(flushed);
    else this.#afterWrite(flushed);
  }

  #refuseBody({ status, detail }: BodyRefusal): void {
    this.onRequestBodyFailed(status, detail);
  }

  onRequestBodyFailed(status: number, detail: string): void {
    if (this.#down.committed) {
      this.#abandon('client_abort', 499);
      this.#client.cut();
      return;
    }
    this.#attempt.drop();
    this.#reply(status, detail, null, 'rejected');
  }

  onUpstreamDrain(): void {
    readClockMs();
    this.#afterWrite(true);
  }

  // --- the response down -----------------------------------------------------------------------------------------

  onHead(head: Head): void {
    if (head.status < 200) {
      this.#relayInterim(head);
      return;
    }
    this.#status = head.status;
    this.#responseAtMs = NEVER;
    this.#continueAtMs = NEVER;
    if (this.#halfClosedAtMs !== NEVER) this.#awaitMoreForHalfClosed();
    this.#rearm();
    this.#attempt.headCame(head.status);
    const { reportField } = this.#service as Service; // a response comes from a matched service's target
    if (reportField !== null) this.#attempt.report = takeReport(head, reportField);
    this.#attempt.grpcStatus = this.#attempt.connection?.grpcStatus ?? NO_GRPC;
    const isFailure = head.status >= 500 || isGrpcFault(this.#attempt.grpcStatus);
    if (isFailure && this.#shieldFromAnswer()) return;
    if (!isFailure) this.#attempt.answered();
    const request = this.#request as RequestFacts; // set by start()
    const mustClose = this.#endsAfterThis(request) || this.#client.endsHere;
    const { isHead, http10 } = request;
    this.#mirror?.capture?.begin(head);
    if (!this.#up.done && contextOf(this.#client).forwarding.http2) this.#client.awaitBodyPatiently();
    this.#down.begin(head, { isHead, http10, mustClose, extra: this.#extraLines() });
  }

  #endsAfterThis(request: RequestFacts): boolean {
    const { tellAtMs } = this.#client;
    const leaving = this.#wanting || (tellAtMs !== NEVER && performance.now() >= tellAtMs);
    return request.http10 || request.close || leaving || !this.#up.done;
  }

  /** 1xx for clients that know them; a 100 only if it was asked for and we have not sent one (RFC 9110 §15.2). */
  #relayInterim(head: Head): void {
    if (this.#request?.http10) return;
    if (head.status === 100) {
      if (this.#continueAtMs === NEVER) return;
      this.#continueAtMs = NEVER;
    }
    if (!this.#down.interim(head)) this.#throttle();
  }

  #extraLines(): string {
    const service = this.#service as Service; // a response comes from a matched service's target
    const upstream = this.#attempt.upstream as Upstream;
    let lines = '';
    if (service.route.expose) lines = `x-tealgate-upstream: ${upstream.route.name}\r\n`;
    if (this.#newPin && service.route.pins.by === 'cookie') {
      lines += this.#gateway.jar.issue(
        service,
        service.route.pins,
        upstream,
        contextOf(this.#client).secure,
        this.#startedAtMs,
      );
    }
    return lines;
  }

  onBody(buf: Buffer, reader: BodyReader): void {
    this.#mirror?.capture?.add(buf, reader);
    if (this.#halfClosedAtMs !== NEVER) this.#awaitMoreForHalfClosed();
    const result = this.#down.data(buf, reader, this.#attempt.connection);
    if (result === 'malformed') {
      this.#attempt.drop();
      this.onUpstreamFailure('truncated');
    } else if (reader.done) this.#finish();
    else if (result === 'full') this.#throttle();
  }

  /** The client is slower than the target: stop reading the target until it has caught up. */
  #throttle(): void {
    this.#attempt.connection?.pause();
    this.#client.awaitDrain();
  }

  onDownstreamDrain(): void {
    this.#attempt.connection?.resume();
  }

  #finish(): void {
    const { connection } = this.#attempt;
    this.#attempt.grpcStatus = connection?.grpcStatus ?? NO_GRPC;
    const outcome = outcomeOf(this.#status, this.#attempt.grpcStatus);
    const nowMs = readClockMs();
    this.#attempt.connection = null;
    this.#judge(outcome === 'server_error');
    connection?.release(this.#up.done);
    if (this.#mirror !== null) this.#sendCopies(this.#mirror);
    this.#settle(outcome, nowMs);
    this.#client.finish(!this.#down.close);
  }

  #sendCopies(ticket: MirrorTicket): void {
    const service = this.#gateway.current(this.#service as Service); // copied are matched requests only
    const request = this.#request as RequestFacts; // set by start()
    if (this.#up.firstBytes === 0 || service.mirror === null) return;
    sendCopies(this.#gateway, { service, mirror: service.mirror, request, bytes: this.#up.copyFirst(), ticket });
  }

  // --- failures ----------------------------------------------------------------------------------------------------

  onUpstreamFailure(failure: AttemptFailure): void {
    const { connection } = this.#attempt;
    this.#attempt.connection = null;
    if (this.#down.committed) {
      this.#judge(true);
      this.#settle('truncated');
      this.#down.cut();
      return;
    }
    this.#down.reset();
    if (failure === 'local') {
      this.#wanting = true;
      this.#gateway.onShortage();
      this.#fail(failure);
      return;
    }
    if (connection?.reused === true && !connection.answered && this.#isRace(failure)) {
      // The target closed a connection as we used it: no fault of anybody's (RFC 9112 §9.3.1, RFC 9113 §6.8).
      this.#retryFresh();
      return;
    }
    this.#attempt.failed();
    this.#judge(true);
    const repeatable = (this.#up.replayable && neverReached(failure)) || this.#mayRepeat();
    if (repeatable && this.#retryElsewhere()) return;
    this.#fail(failure);
  }

  #isRace(failure: AttemptFailure): boolean {
    return failure === 'reset' ? this.#mayRepeat() : failure === 'unprocessed' && this.#up.replayable;
  }

  /** The request may reach the target twice: idempotent (RFC 9110 §9.2.2), and all of it is still at hand. */
  #mayRepeat(): boolean {
    return this.#up.replayable && this.#request?.idempotent === true;
  }

  #retryFresh(): void {
    const { upstream } = this.#attempt;
    this.#fresh = true;
    this.#attempt.leave();
    if (upstream === null) return;
    this.#countRetry(upstream);
    this.#try(upstream);
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
    this.#countRetry(upstream);
    this.#try(upstream);
    return true;
  }

  #countRetry(upstream: Upstream): void {
    add(upstream.ledger, UPSTREAM.retries, 1);
  }

  /**
   * The stable upstream, when the one in hand was picked as a rollout's candidate: a repeatable request that the
   * candidate failed is answered by stable. It needs no budget, since at weight 0 stable would have had it anyway.
   */
  #shield(): Upstream | null {
    const { onTrial, upstream } = this.#attempt;
    if (!onTrial || this.#service === null || upstream === null) return null;
    const stable = usableStable(this.#gateway.current(this.#service));
    if (stable === null || stable.route.id === upstream.route.id) return null;
    add(upstream.ledger, UPSTREAM.shielded, 1);
    this.#tried.length = 0;
    return stable;
  }

  /** A failure that the candidate is still to be dropped for, by its answer or by giving none in time. */
  #shieldFromAnswer(): boolean {
    if (!this.#mayRepeat() || !this.#up.done) return false;
    const stable = this.#shield();
    if (stable === null) return false;
    this.#judge(true);
    this.#attempt.drop();
    this.#attempt.leave();
    this.#down.reset();
    this.#responseAtMs = NEVER;
    this.#arrive(stable);
    return true;
  }

  #fail(failure: AttemptFailure): void {
    const [error, outcome] = FAILURES[failure];
    this.#replyError(error, outcome);
  }

  onClientGone(): void {
    this.#abandon('client_abort', 499);
  }

  onClientHalfClosed(): void {
    if (this.#down.committed) this.#awaitMoreForHalfClosed();
    else this.#halfClosedAtMs = performance.now() + HALF_CLOSED_MS;
    this.#rearm();
  }

  /** Only writing to it can show whether it still reads: it is not waited for while there is nothing to write. */
  #awaitMoreForHalfClosed(): void {
    this.#halfClosedAtMs = performance.now() + this.#client.options.timeouts.bodyMs;
    this.#rearm();
  }

  onDeadline(nowMs: number): void {
    if (nowMs >= this.#cutAtMs) this.#cut();
    else if (nowMs >= this.#halfClosedAtMs) {
      this.#abandon('client_abort', 499);
      this.#client.close();
    } else if (nowMs >= this.#continueAtMs) {
      this.#continueAtMs = NEVER;
      this.#client.write(CONTINUE);
      this.#rearm();
    } else if (this.#room !== null && nowMs >= this.#waitUntilMs) this.#waitedInVain(this.#room);
    else if (nowMs >= this.#responseAtMs) this.#timeOut();
  }

  #waitedInVain(room: WaitingRoom): void {
    room.leave(this);
    this.#room = null;
    this.#withoutTarget('overloaded');
  }

  #timeOut(): void {
    this.#attempt.failed();
    if (this.#shieldFromAnswer()) return;
    this.#attempt.drop();
    this.#judge(true);
    this.#fail('response_timeout');
  }

  /** The drain deadline: before a response head the client gets 504, within a response it sees an incomplete message. */
  #cut(): void {
    this.#attempt.drop();
    if (!this.#down.committed) {
      this.#replyError('http_response_timeout', 'cut');
      return;
    }
    this.#settle('cut');
    this.#down.cut();
  }

  get #cutAtMs(): number {
    return Math.min(this.#attempt.target?.cutAtMs ?? NEVER, this.#gateway.cutAtMs);
  }

  #rearm(): void {
    this.deadlineMs = Math.min(this.#responseAtMs, this.#continueAtMs, this.#halfClosedAtMs, this.#cutAtMs);
    if (this.#room !== null) this.deadlineMs = Math.min(this.deadlineMs, this.#waitUntilMs);
  }

  // --- upgrades ------------------------------------------------------------------------------------------------------

  /** A tunnel needs a connection of its own. It is made before the client's socket is given away, so that it can fail. */
  #dial(upstream: Upstream, target: Target): void {
    this.#client.pauseBody();
    const { host, port } = target.route;
    this.#attempt.dial = new Dial(
      { host, port, tls: target.pool.tls, timeoutMs: this.#route.timeouts.connectMs },
      (peer) => {
        this.#attempt.dial = null;
        this.#upgrade(upstream, target, peer);
      },
      (failure) => {
        this.#attempt.dial = null;
        this.onUpstreamFailure(failure);
      },
    );
    this.#rearm();
  }

  #upgrade(upstream: Upstream, target: Target, peer: Socket): void {
    if (this.#up.firstBytes === 0) return;
    this.#sentAtMs = readClockMs();
    this.#gateway.upgrades.open(this.#client, this.#up.copyFirst(), peer, upstream, target, {
      responseTimeoutMs: this.#route.timeouts.responseMs,
      stallTimeoutMs: this.#client.options.timeouts.bodyMs,
      extra: this.#extraLines(),
      onAnswered: (status) => {
        this.#status = status;
        this.#attempt.headCame(status);
        if (status < 500) this.#attempt.answered();
        this.#judge(status >= 500);
        this.#settle(outcomeOf(status, NO_GRPC));
      },
      onFailed: (failure) => {
        const [error, outcome] = FAILURES[failure];
        this.#status = PROXY_ERRORS[error][0];
        this.#judge(true);
        this.#settle(outcome);
        return renderReply(
          { status: this.#status, detail: PROXY_ERRORS[error][1], error, close: true, head: false },
          httpDate(),
        );
      },
      onClientGone: () => this.#abandon('client_abort', 499),
    });
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  #replyError(error: ProxyError, outcome: Outcome): void {
    const [status, detail] = PROXY_ERRORS[error];
    this.#reply(status, detail, error, outcome);
  }

  /** Answers by ourselves. What the client still has to send of the request is not awaited. */
  #reply(status: number, detail: string, error: ProxyError | null, outcome: Outcome, extra = ''): void {
    const request = this.#request as RequestFacts; // set by start()
    const close = this.#endsAfterThis(request);
    this.#status = status;
    this.#client.write(renderReply({ status, detail, error, close, head: request.isHead, extra }, httpDate()));
    this.#settle(outcome);
    this.#client.finish(!close);
  }

  #abandon(outcome: Outcome, status: number): void {
    this.#status = status;
    this.#attempt.drop();
    this.#settle(outcome);
  }

  #judge(isFailure: boolean): void {
    if (this.#service === null || this.#request === null) return;
    const service = this.#gateway.current(this.#service);
    if (this.#attempt.judge(service, this.#request, isFailure)) this.#gateway.blowFuse(service);
  }

  /** The one outcome. */
  #settle(outcome: Outcome, nowMs = readClockMs()): void {
    if (this.#settled) return;
    this.#settled = true;
    const { exchanges, unrouted, accessLog } = this.#gateway;
    exchanges.remove(this);
    this.#room?.leave(this);
    this.#room = null;
    const service = this.#service;
    const { target, count, upstream: picked } = this.#attempt;
    this.#attempt.leave();
    this.#up.release();
    countOutcome(service?.ledger ?? unrouted, outcome);
    const request = this.#request as RequestFacts; // set by start()
    const durationMs = nowMs - this.#startedAtMs;
    const upstreamMs = this.#sentAtMs === 0 ? 0 : nowMs - this.#sentAtMs;
    const upstream = picked ?? service?.stable ?? null;
    if (upstream !== null) countAnswered(upstream.ledger, request.method, this.#status, durationMs, upstreamMs);
    if (accessLog === null) return;
    accessLog.write({
      givenId: request.givenId,
      number: request.number,
      client: request.client,
      method: request.methodName,
      host: request.host,
      path: request.path,
      status: this.#status,
      bytes: this.#down.bytes,
      durationMs,
      upstreamMs,
      service: service?.route.name ?? '',
      upstream: picked?.route.name ?? '',
      target: target?.route.url ?? '',
      retries: Math.max(count - 1, 0),
      outcome,
    });
  }
}

function outcomeOf(status: number, grpcStatus: number): Outcome {
  if (grpcStatus !== NO_GRPC) return outcomeOfGrpc(grpcStatus);
  if (status < 400) return 'ok';
  return status < 500 ? 'client_error' : 'server_error';
}
