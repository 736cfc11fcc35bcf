import type { BodyReader } from '../http1/body-reader.ts';
import type { Timed } from '../http1/deadlines.ts';
import type { ActiveRequest, DownstreamConnection } from '../http1/downstream-connection.ts';
import type { Head } from '../http1/head.ts';
import type { UpstreamConnection, UpstreamFailure, UpstreamHandler } from '../http1/upstream-connection.ts';
import type { FuseState } from '../traffic/fuse-state.ts';
import { type Outcome, TARGET, UPSTREAM } from '../traffic/ledger.ts';
import { add, countAccepted, countAnswered, countOutcome } from './accounting.ts';
import { type AttemptFailure, FAILURES, neverReached } from './failures.ts';
import { contextOf, type Gateway } from './gateway.ts';
import { httpDate } from './http-date.ts';
import { pickPinned, pickTarget, pickUnpinned, usableStable } from './pick.ts';
import { PROXY_ERRORS, type ProxyError, renderReply } from './replies.ts';
import { authorityOf, describeRequest, localAnswer, type RequestFacts, rewriteOf } from './request-policy.ts';
import { type BodyRefusal, isRefusal, RequestRelay } from './request-relay.ts';
import { ResponseRelay } from './response-relay.ts';
import type { Service, Target, Upstream } from './routing-table.ts';

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
export class Exchange implements ActiveRequest, UpstreamHandler, Timed {
  deadlineMs = NEVER;
  deadlineIndex = -1;

  readonly #gateway: Gateway;
  readonly #client: DownstreamConnection;
  #request: RequestFacts | null = null;
  #service: Service | null = null;
  #settled = true;

  // The attempt in hand.
  #upstream: Upstream | null = null;
  #target: Target | null = null;
  #connection: UpstreamConnection | null = null;
  #judged = false;
  /** The upstream was a candidate when it was picked: its failures are answered by stable. */
  #onTrial = false;
  /** Told about this attempt's answer; null when there is none, or it was told. */
  #fuse: FuseState | null = null;
  #fresh = false;
  #attempts = 0;
  readonly #tried: Target[] = [];

  readonly #up: RequestRelay;
  readonly #down: ResponseRelay;
  #status = 0;
  /** The client has no valid pin: it is given one for the upstream that answers. */
  #newPin = false;

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
    const request = describeRequest(head, context.forwarding, gateway.newRequestId);
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
    const upstream = this.#pick(service, head);
    if (upstream === null) {
      this.#replyError('connection_limit_reached', 'no_target');
      return;
    }
    const rewrite = rewriteOf(head, request, context.forwarding, authorityOf(service.route));
    const refusal = this.#up.prepare(head, buf, rewrite);
    if (refusal !== null) {
      this.#refuseBody(refusal);
      return;
    }
    if (request.expectContinue) this.#continueAtMs = this.#startedAtMs + CONTINUE_AFTER_MS;
    this.#attempt(upstream);
  }

  /** The same exchange serves one request of its connection after another, so that a request allocates none. */
  #reset(): void {
    this.#settled = false;
    this.#upstream = null;
    this.#target = null;
    this.#connection = null;
    this.#judged = false;
    this.#onTrial = false;
    this.#fuse = null;
    this.#fresh = false;
    this.#attempts = 0;
    this.#tried.length = 0;
    this.#up.reset();
    this.#down.reset();
    this.#newPin = false;
    this.#status = 0;
    this.#sentAtMs = 0;
    this.#responseAtMs = NEVER;
    this.#continueAtMs = NEVER;
    this.#halfClosedAtMs = NEVER;
    this.deadlineMs = NEVER;
  }

  /** The target in hand may have been told when to be cut. */
  onTableChanged(): void {
    this.#rearm();
  }

  // --- picking -------------------------------------------------------------------------------------------------

  #pick(service: Service, head: Head): Upstream | null {
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

  #attempt(upstream: Upstream): void {
    const target = pickTarget(upstream, this.#tried);
    this.#upstream = upstream;
    this.#judged = false;
    const service = this.#gateway.current(this.#service as Service); // an attempt is made for a matched service only
    this.#onTrial = service.candidate?.route.id === upstream.route.id;
    if (target === null) {
      this.#withoutTarget();
      return;
    }
    this.#target = target;
    this.#attempts++;
    if (this.#onTrial && service.fuse !== null) {
      this.#fuse = service.fuse;
      service.fuse.onSent();
    }
    add(upstream.ledger, UPSTREAM.inFlight, 1);
    add(target.ledger, TARGET.inFlight, 1);
    add(target.ledger, TARGET.attempts, 1);
    if (this.#request?.upgrade) {
      this.#upgrade(target);
      return;
    }
    const idle = this.#fresh ? null : target.pool.takeIdle(this);
    if (idle === null) {
      this.#client.pauseBody();
      this.#connection = target.pool.connect(this, this.#route.timeouts.connectMs);
      this.#rearm();
      return;
    }
    this.#connection = idle;
    this.#send();
  }

  get #route(): Service['route'] {
    return (this.#service as Service).route; // attempts are made for a matched service only
  }

  /** The upstream in hand has no eligible target (left): a candidate is charged and shielded, any other is an error. */
  #withoutTarget(): void {
    const stable = this.#shield();
    if (stable === null) {
      this.#replyError('connection_limit_reached', 'no_target');
      return;
    }
    this.#judge(true);
    this.#attempt(stable);
  }

  // --- the request up ------------------------------------------------------------------------------------------

  onConnected(): void {
    this.#send();
  }

  #send(): void {
    const connection = this.#connection;
    const { first } = this.#up;
    if (connection === null || first === null) return;
    if (this.#sentAtMs === 0) this.#sentAtMs = performance.now();
    this.#afterWrite(connection.send(first, this.#request?.isHead === true));
  }

  /**
   * The target's time runs once it has the whole request, or while it does not take what there is of it; a client that
   * is slow to send is the client's affair (see resumeBody).
   */
  #afterWrite(flushed: boolean): void {
    const { done } = this.#up;
    const targetsTurn = (done || !flushed) && !this.#down.committed;
    this.#responseAtMs = targetsTurn ? performance.now() + this.#route.timeouts.responseMs : NEVER;
    this.#rearm();
    if (done) return;
    if (flushed) this.#client.resumeBody();
    else this.#client.pauseBody();
  }

  onRequestBody(buf: Buffer): void {
    const connection = this.#connection;
    if (connection === null) return;
    const flushed = this.#up.forward(buf, connection);
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
    this.#dropConnection();
    this.#reply(status, detail, null, 'rejected');
  }

  onUpstreamDrain(): void {
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
    this.#halfClosedAtMs = NEVER;
    this.#rearm();
    if (head.status >= 500 && this.#shieldFromResponse()) return;
    if (head.status < 500) this.#tellFuse();
    const request = this.#request as RequestFacts; // set by start()
    const mustClose = this.#endsAfterThis(request) || this.#client.endsHere;
    const { isHead, http10 } = request;
    this.#down.begin(head, { isHead, http10, mustClose, extra: this.#extraLines() });
  }

  #endsAfterThis(request: RequestFacts): boolean {
    return request.http10 || request.close || this.#gateway.draining || !this.#up.done;
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
    const upstream = this.#upstream as Upstream;
    let lines = '';
    if (service.route.expose) lines = `x-tealgate-upstream: ${upstream.route.name}\r\n`;
    if (this.#newPin && service.route.pins.by === 'cookie') {
      lines += this.#gateway.jar.issue(service, service.route.pins, upstream, false, this.#startedAtMs);
    }
    return lines;
  }

  onBody(buf: Buffer, reader: BodyReader): void {
    const result = this.#down.data(buf, reader, this.#connection);
    if (result === 'malformed') {
      this.#dropConnection();
      this.onUpstreamFailure('truncated', null);
    } else if (reader.done) this.#finish();
    else if (result === 'full') this.#throttle();
  }

  /** The client is slower than the target: stop reading the target until it has caught up. */
  #throttle(): void {
    this.#connection?.pause();
    this.#client.awaitDrain();
  }

  onDownstreamDrain(): void {
    this.#connection?.resume();
  }

  #finish(): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#judge(this.#status >= 500);
    connection?.release(this.#up.done);
    this.#settle(outcomeOf(this.#status));
    this.#client.finish(!this.#down.close);
  }

  // --- failures ----------------------------------------------------------------------------------------------------

  onUpstreamFailure(failure: UpstreamFailure, _cause: Error | null): void {
    const connection = this.#connection;
    this.#connection = null;
    if (this.#down.committed) {
      this.#judge(true);
      this.#settle('truncated');
      this.#down.cut();
      return;
    }
    this.#down.reset();
    const race = failure === 'reset' && connection !== null && connection.reused && !connection.answered;
    if (race && this.#mayRepeat()) {
      // The target closed an idle connection as we used it: no fault of anybody's (RFC 9112 §9.3.1).
      this.#retryFresh();
      return;
    }
    if (this.#target !== null) add(this.#target.ledger, TARGET.failures, 1);
    this.#judge(true);
    const repeatable = (this.#up.replayable && neverReached(failure)) || this.#mayRepeat();
    if (repeatable && this.#retryElsewhere()) return;
    this.#fail(failure);
  }

  /** The request may reach the target twice: idempotent (RFC 9110 §9.2.2), and all of it is still at hand. */
  #mayRepeat(): boolean {
    return this.#up.replayable && this.#request?.idempotent === true;
  }

  #retryFresh(): void {
    const upstream = this.#upstream;
    this.#fresh = true;
    this.#leaveTarget();
    if (upstream === null) return;
    this.#countRetry(upstream);
    this.#attempt(upstream);
  }

  /** On stable if the candidate failed, else on another target of the same upstream, within limits and budget. */
  #retryElsewhere(): boolean {
    const stable = this.#shield();
    if (stable !== null) {
      this.#leaveTarget();
      this.#attempt(stable);
      return true;
    }
    const upstream = this.#upstream;
    const service = this.#service;
    const target = this.#target;
    if (upstream === null || service === null || target === null) return false;
    this.#tried.push(target);
    const possible = this.#attempts <= service.route.retries.attempts && pickTarget(upstream, this.#tried) !== null;
    if (!possible || !service.budget.tryRetry()) return false;
    this.#leaveTarget();
    this.#countRetry(upstream);
    this.#attempt(upstream);
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
    if (!this.#onTrial || this.#service === null || this.#upstream === null) return null;
    const stable = usableStable(this.#gateway.current(this.#service));
    if (stable === null || stable.route.id === this.#upstream.route.id) return null;
    add(this.#upstream.ledger, UPSTREAM.shielded, 1);
    this.#tried.length = 0;
    return stable;
  }

  #shieldFromResponse(): boolean {
    if (!this.#mayRepeat() || !this.#up.done) return false;
    const stable = this.#shield();
    if (stable === null) return false;
    this.#judge(true);
    this.#dropConnection();
    this.#leaveTarget();
    this.#attempt(stable);
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
    if (this.#down.committed) return;
    this.#halfClosedAtMs = performance.now() + HALF_CLOSED_MS;
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
    } else if (nowMs >= this.#responseAtMs) this.#timeOut();
  }

  #timeOut(): void {
    this.#dropConnection();
    if (this.#target !== null) add(this.#target.ledger, TARGET.failures, 1);
    this.#judge(true);
    this.#fail('response_timeout');
  }

  /** The drain deadline: before a response head the client gets 504, within a response it sees an incomplete message. */
  #cut(): void {
    this.#dropConnection();
    if (!this.#down.committed) {
      this.#replyError('http_response_timeout', 'cut');
      return;
    }
    this.#settle('cut');
    this.#down.cut();
  }

  get #cutAtMs(): number {
    return Math.min(this.#target?.cutAtMs ?? NEVER, this.#gateway.cutAtMs);
  }

  #rearm(): void {
    this.deadlineMs = Math.min(this.#responseAtMs, this.#continueAtMs, this.#halfClosedAtMs, this.#cutAtMs);
  }

  // --- upgrades ------------------------------------------------------------------------------------------------------

  #upgrade(target: Target): void {
    const { first } = this.#up;
    if (first === null) return;
    this.#sentAtMs = performance.now();
    const upstream = this.#upstream as Upstream; // set by #attempt
    this.#gateway.upgrades.open(this.#client, first, upstream, target, {
      connectTimeoutMs: this.#route.timeouts.connectMs,
      responseTimeoutMs: this.#route.timeouts.responseMs,
      extra: this.#extraLines(),
      onAnswered: (status) => {
        this.#status = status;
        if (status < 500) this.#tellFuse();
        this.#judge(status >= 500);
        this.#settle(outcomeOf(status));
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
    this.#dropConnection();
    this.#settle(outcome);
  }

  #dropConnection(): void {
    this.#connection?.destroy();
    this.#connection = null;
  }

  /** Counts the attempt in hand for the guards, once. Attempts that a client cut short are never judged. */
  #judge(failed: boolean): void {
    if (this.#judged || this.#upstream === null || this.#service === null) return;
    this.#judged = true;
    add(this.#upstream.ledger, UPSTREAM.trials, 1);
    if (failed) add(this.#upstream.ledger, UPSTREAM.errors, 1);
    const service = this.#gateway.current(this.#service);
    if (service.candidate?.route.id !== this.#upstream.route.id) return;
    if (service.fuse?.record(failed)) this.#gateway.blowFuse(service);
  }

  #tellFuse(): void {
    this.#fuse?.onAnswered();
    this.#fuse = null;
  }

  #leaveTarget(): void {
    if (this.#target === null || this.#upstream === null) return;
    this.#fuse?.onUnanswered();
    this.#fuse = null;
    add(this.#upstream.ledger, UPSTREAM.inFlight, -1);
    add(this.#target.ledger, TARGET.inFlight, -1);
    this.#target = null;
  }

  /** The one outcome. */
  #settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    const { exchanges, unrouted, accessLog } = this.#gateway;
    exchanges.remove(this);
    const service = this.#service;
    const target = this.#target;
    this.#leaveTarget();
    this.#up.first = null;
    countOutcome(service?.ledger ?? unrouted, outcome);
    const request = this.#request as RequestFacts; // set by start()
    const nowMs = performance.now();
    const durationMs = nowMs - this.#startedAtMs;
    const upstreamMs = this.#sentAtMs === 0 ? 0 : nowMs - this.#sentAtMs;
    const upstream = this.#upstream ?? service?.stable ?? null;
    if (upstream !== null) countAnswered(upstream.ledger, request.method, this.#status, durationMs, upstreamMs);
    if (accessLog === null) return;
    accessLog.write({
      requestId: request.id,
      client: request.client,
      method: request.methodName,
      host: request.host,
      path: request.path,
      status: this.#status,
      bytes: this.#down.bytes,
      durationMs,
      upstreamMs,
      service: service?.route.name ?? '',
      upstream: this.#upstream?.route.name ?? '',
      target: target?.route.url ?? '',
      retries: Math.max(this.#attempts - 1, 0),
      outcome,
    });
  }
}

function outcomeOf(status: number): Outcome {
  if (status < 400) return 'ok';
  return status < 500 ? 'client_error' : 'server_error';
}
