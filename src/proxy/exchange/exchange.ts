import type { BodyReader } from '../../http1/body-reader.ts';
import type { Timed } from '../../http1/deadlines.ts';
import type { DownstreamConnection } from '../../http1/downstream-connection.ts';
import type { Head } from '../../http1/head.ts';
import type { ActiveRequest } from '../../http1/request-handler.ts';
import type { Tap } from '../../http1/tap.ts';
import { readClockMs, recentClockMs } from '../../platform/clock.ts';
import { NO_GRPC } from '../../traffic/grpc.ts';
import type { Outcome } from '../../traffic/ledger.ts';
import { type ConnectionContext, contextOf } from '../connection-context.ts';
import type { Gateway } from '../gateway.ts';
import { httpDate } from '../http-date.ts';
import { type MirrorTicket, mirrorTicket } from '../mirror/mirror.ts';
import { sendCopies } from '../mirror/mirror-copy.ts';
import type { Service, Target, Upstream } from '../routing-table.ts';
import type { GivenUp, Handshake, HandshakeHandler } from '../upgrade/handshake.ts';
import { Attempt } from './attempt.ts';
import { Choice } from './choice.ts';
import { Delivery, type DeliveryHandler } from './delivery.ts';
import { type AttemptFailure, answerTo, FAILURES, type Failure } from './failures.ts';
import { renderReply } from './replies.ts';
import { outcomeOf, RequestAccount } from './request-account.ts';
import { RequestDeadlines } from './request-deadlines.ts';
import { describeRequest, type LocalAnswer, localAnswer, type RequestFacts, rewriteOf } from './request-policy.ts';
import { type BodyRefusal, isRefusal, RequestRelay } from './request-relay.ts';
import { ResponseRelay } from './response-relay.ts';

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/**
 * One request from its head to its one outcome: route, choose, deliver, relay, account. Every way out leads through
 * #settle, which runs once, when no attempt is left. Telling the client's connection that the request is finished comes
 * last, since that may begin the next one. The same exchange serves one request of its connection after another, so that
 * a request allocates none.
 */
export class Exchange implements ActiveRequest, DeliveryHandler, HandshakeHandler, Timed {
  deadlineMs = Number.POSITIVE_INFINITY;
  deadlineIndex = -1;

  readonly #gateway: Gateway;
  readonly #client: DownstreamConnection;
  readonly #context: ConnectionContext;
  #request: RequestFacts | null = null;
  /** Null where none answers to the request; it is then answered at once. */
  #service: Service | null = null;

  readonly #choice: Choice;
  readonly #attempt: Attempt;
  readonly #delivery: Delivery;
  /** The request on its way up. */
  readonly #up: RequestRelay;
  /** The response on its way down. */
  readonly #down: ResponseRelay;
  /** The request is copied once it is answered. */
  #mirror: MirrorTicket | null = null;
  /** The upgrade lane has the client's socket. */
  #handshake: Handshake | null = null;
  readonly #deadlines: RequestDeadlines;
  readonly #account: RequestAccount;

  constructor(gateway: Gateway, client: DownstreamConnection) {
    this.#gateway = gateway;
    this.#client = client;
    this.#context = contextOf(client);
    this.#choice = new Choice(gateway.jar);
    this.#attempt = new Attempt(this.#choice);
    this.#up = new RequestRelay(gateway.writer, client.reader, this.#context.bodyBytes);
    this.#down = new ResponseRelay(client, gateway.writer);
    this.#delivery = new Delivery(gateway, this, { choice: this.#choice, attempt: this.#attempt, relay: this.#up });
    this.#deadlines = new RequestDeadlines(client.options.timeouts.bodyMs);
    this.#account = new RequestAccount(gateway);
  }

  /** Takes the request over; may answer it at once. */
  start(head: Head, buf: Buffer): void {
    const gateway = this.#gateway;
    const { forwarding, bodyBytes } = this.#context;
    this.#reset();
    const request = describeRequest(head, forwarding, gateway.nextNumber());
    const service = gateway.table.matcher.only ?? gateway.table.matcher.match(request.host, request.path);
    this.#request = request;
    this.#service = service;
    this.#account.accept(request, service, this.#client.receivedAtMs);
    gateway.exchanges.add(this);
    this.#client.begin(this);
    const answer = localAnswer(head, gateway.pseudonym, service !== null, bodyBytes);
    if (answer !== null) this.#reply(answer, answer.status < 400 ? 'ok' : 'rejected');
    else if (service !== null) this.#forward(service, request, head, buf);
  }

  #reset(): void {
    this.#choice.reset();
    this.#attempt.reset();
    this.#up.reset();
    this.#down.reset();
    this.#mirror = null;
    this.#deadlines.reset();
    this.deadlineMs = Number.POSITIVE_INFINITY;
  }

  #forward(service: Service, request: RequestFacts, head: Head, buf: Buffer): void {
    const { receivedAtMs } = this.#client;
    service.budget.onRequest();
    const upstream = this.#choice.make(service, head, request, receivedAtMs);
    if (upstream === null) {
      this.onUndeliverable('no_target');
      return;
    }
    const to = { route: service.route, idLine: this.#gateway.idLine };
    const refusal = this.#up.prepare(head, buf, rewriteOf(head, request, this.#context.forwarding, to));
    if (refusal !== null) {
      this.#refuseBody(refusal);
      return;
    }
    if (service.mirror !== null && !this.#choice.forced)
      this.#mirror = mirrorTicket(service, upstream, request, this.#up);
    if (request.expectContinue) this.#deadlines.awaitContinue(receivedAtMs);
    this.#delivery.begin(service, request, upstream);
  }

  /** The service, where a target is or was in hand: requests of none are not delivered. */
  get #matched(): Service {
    return this.#service as Service;
  }

  // --- the request up ------------------------------------------------------------------------------------------

  onConnected(): void {
    const { connection } = this.#attempt;
    if (connection === null || this.#up.firstBytes === 0 || this.#request === null) return;
    this.#account.sent(readClockMs());
    this.#afterWrite(this.#up.begin(connection, this.#request));
  }

  /**
   * After the clock was read: the target's time runs once it has the whole request, or while it does not take what there
   * is of it; a client that is slow to send is the client's affair (see resumeBody).
   */
  #afterWrite(flushed: boolean): void {
    const { done } = this.#up;
    const targetsTurn = (done || !flushed) && !this.#down.committed;
    if (targetsTurn) this.#deadlines.awaitResponse(recentClockMs() + this.#matched.route.timeouts.responseMs);
    else this.#deadlines.forgetResponse();
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
      this.onClientGone();
      this.#client.cut();
      return;
    }
    this.#attempt.drop();
    this.#reply({ status, detail, error: null, extra: '' }, 'rejected', true);
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
    this.#account.status = head.status;
    this.#deadlines.answered();
    this.#rearm();
    if (!this.#delivery.accepts(head)) return;
    const { isHead, http10 } = this.#request as RequestFacts; // set by start()
    const mustClose = this.#endsAfterThis || this.#client.endsHere;
    this.#mirror?.capture?.begin(head);
    if (!this.#up.done && this.#context.forwarding.http2) this.#client.awaitBodyPatiently();
    this.#down.begin(head, { isHead, http10, mustClose, extra: this.#choiceLines });
  }

  /** 1xx for clients that know them; a 100 only if it was asked for and we have not sent one (RFC 9110 §15.2). */
  #relayInterim(head: Head): void {
    if (this.#request?.http10) return;
    if (head.status === 100 && !this.#deadlines.takeContinue()) return;
    if (!this.#down.interim(head)) this.#throttle();
  }

  onBody(buf: Buffer, reader: BodyReader): void {
    this.#mirror?.capture?.add(buf, reader);
    if (this.#deadlines.halfClosed) this.#awaitMore();
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
    const outcome = outcomeOf(this.#account.status, this.#attempt.grpcStatus);
    const nowMs = readClockMs();
    this.#attempt.connection = null;
    this.#delivery.judge(outcome === 'server_error');
    connection?.release(this.#up.done);
    if (this.#mirror !== null) this.#sendCopies(this.#mirror);
    this.#settle(outcome, nowMs);
    this.#client.finish(!this.#down.close);
  }

  #sendCopies(ticket: MirrorTicket): void {
    const service = this.#gateway.current(this.#matched);
    const request = this.#request as RequestFacts; // set by start()
    const isStables = this.#attempt.upstream?.route.id === service.stable?.route.id; // not where it waited, and then went elsewhere
    if (this.#up.firstBytes === 0 || service.mirror === null || !isStables) return;
    sendCopies(this.#gateway, { service, mirror: service.mirror, request, bytes: this.#up.copyFirst(), ticket });
  }

  get #choiceLines(): string {
    const upstream = this.#attempt.upstream as Upstream; // an attempt was answered
    return this.#choice.fieldLines(this.#matched, upstream, this.#context.secure, this.#client.receivedAtMs);
  }

  /** The client's connection is not to be used again. */
  get #endsAfterThis(): boolean {
    const { http10, close } = this.#request as RequestFacts; // set by start()
    return http10 || close || this.#client.leaving || !this.#up.done;
  }

  // --- an upgrade --------------------------------------------------------------------------------------------------

  /** The handshake is handed on with the client's socket: this is told of its answer. */
  onDialed(upstream: Upstream, target: Target, peer: Tap): void {
    if (this.#up.firstBytes === 0) return;
    this.#account.sent(readClockMs());
    this.#handshake = this.#gateway.upgrades.open({
      client: this.#client,
      head: this.#up.copyFirst(),
      peer,
      upstream,
      target,
      responseTimeoutMs: this.#matched.route.timeouts.responseMs,
      stallTimeoutMs: this.#client.options.timeouts.bodyMs,
      extra: this.#choiceLines,
      reportField: this.#matched.reportField,
      handler: this,
    });
  }

  onHandshakeAnswered(status: number, report: string): void {
    this.#account.status = status;
    this.#attempt.report = report;
    this.#attempt.headCame(status);
    if (status < 500) this.#attempt.answered();
    this.#delivery.judge(status >= 500);
    this.#settle(outcomeOf(status, NO_GRPC));
  }

  onHandshakeFailed(failure: AttemptFailure | GivenUp): Buffer {
    const answer = answerTo(failure);
    this.#account.status = answer.status;
    if (failure !== 'cut') {
      this.#attempt.failed();
      this.#delivery.judge(true);
    }
    this.#settle(FAILURES[failure][1]);
    return renderReply({ ...answer, close: true, head: false }, httpDate());
  }

  // --- failures and deadlines --------------------------------------------------------------------------------------

  onUpstreamFailure(failure: AttemptFailure): void {
    if (!this.#down.committed) {
      this.#down.reset();
      this.#delivery.onFailure(failure);
      return;
    }
    this.#attempt.connection = null;
    this.#delivery.judge(true);
    this.#settle('truncated');
    this.#down.cut();
  }

  onUndeliverable(failure: Failure): void {
    // 'local': we are short of what this connection holds, so that it must end.
    const close = failure === 'local' || this.#endsAfterThis;
    const told = failure === 'no_target' && this.#choice.forced ? 'no_preview' : failure;
    this.#reply(answerTo(told), FAILURES[told][1], close);
  }

  onClientGone(): void {
    this.#account.status = 499;
    this.#attempt.drop();
    this.#settle('client_abort');
  }

  onClientHalfClosed(): void {
    if (this.#down.committed) this.#awaitMore();
    else this.#deadlines.awaitAnswer();
    this.#rearm();
  }

  /** Only writing to it can show whether it still reads: it is not waited for while there is nothing to write. */
  #awaitMore(): void {
    this.#deadlines.awaitMore();
    this.#rearm();
  }

  /** The target in hand may have been told when to be cut. */
  onTableChanged(): void {
    this.#rearm();
  }

  onWaiting(): void {
    if (!this.#up.done) this.#client.holdBody();
    this.#deadlines.forgetResponse(); // of the attempt before
    this.#rearm();
  }

  #rearm(): void {
    this.deadlineMs = this.#deadlines.next(this.#cutAtMs, this.#delivery.placeAtMs);
  }

  get #cutAtMs(): number {
    return Math.min(this.#attempt.cutAtMs, this.#gateway.cutAtMs);
  }

  onDeadline(nowMs: number): void {
    switch (this.#deadlines.due(nowMs, this.#cutAtMs, this.#delivery.placeAtMs)) {
      case 'cut':
        this.#cut();
        return;
      case 'gone':
        this.onClientGone();
        this.#client.close();
        return;
      case 'continue':
        this.#deadlines.takeContinue();
        this.#client.write(CONTINUE);
        this.#rearm();
        return;
      case 'place':
        this.#delivery.onWaitedInVain();
        return;
      case 'response':
        this.#deadlines.forgetResponse();
        this.#delivery.onTimeout();
    }
  }

  /** The drain deadline: before a response head the client gets 504, within a response it sees an incomplete message. */
  #cut(): void {
    if (this.#handshake !== null) {
      this.#handshake.giveUp('cut');
      return;
    }
    this.#attempt.drop();
    if (!this.#down.committed) {
      this.onUndeliverable('cut');
      return;
    }
    this.#settle('cut');
    this.#down.cut();
  }

  // --- the end -------------------------------------------------------------------------------------------------------

  /** Answers by ourselves. What the client still has to send of the request is not awaited. */
  #reply(answer: LocalAnswer, outcome: Outcome, close = this.#endsAfterThis): void {
    const { isHead } = this.#request as RequestFacts; // set by start()
    this.#account.status = answer.status;
    this.#client.write(renderReply({ ...answer, close, head: isHead }, httpDate()));
    this.#settle(outcome);
    this.#client.finish(!close);
  }

  /** The one outcome. */
  #settle(outcome: Outcome, nowMs = readClockMs()): void {
    if (this.#account.settled) return;
    this.#gateway.exchanges.remove(this);
    this.#account.settle(outcome, this.#attempt, this.#down.bytes, nowMs);
    this.#delivery.end();
    this.#up.release();
  }
}
