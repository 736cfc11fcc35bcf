import type { BodyReader } from '../../http1/body-reader.ts';
import type { Timed } from '../../http1/deadlines.ts';
import type { Head } from '../../http1/head.ts';
import type { UpstreamFailure, UpstreamHandler, UpstreamLink } from '../../http1/upstream-link.ts';
import { readClockMs } from '../../platform/clock.ts';
import { isGrpcFault, NO_GRPC } from '../../traffic/grpc.ts';
import { TARGET, UPSTREAM } from '../../traffic/ledger.ts';
import { add } from '../accounting.ts';
import { countCopy } from '../counters.ts';
import type { RequestFacts } from '../exchange/request-policy.ts';
import type { Gateway } from '../gateway.ts';
import { pickTarget } from '../pick.ts';
import type { Service, Target, Upstream } from '../routing-table.ts';
import type { Mirror, MirrorTicket } from './mirror.ts';
import { ResponseCapture } from './response-capture.ts';
import { responseDifference } from './response-difference.ts';

const LINE_END = Buffer.from('\r\n');

/** A request that stable has answered, about to be copied. */
export interface Mirrored {
  readonly service: Service;
  readonly mirror: Mirror;
  readonly request: RequestFacts;
  /** As it was sent to stable, all of it. */
  readonly bytes: Buffer;
  readonly ticket: MirrorTicket;
}

/**
 * Sends a copy to the candidate; where responses are compared, one to stable too, so that it is known how often stable
 * differs from itself. The client has its answer: nothing of this reaches it.
 */
export function sendCopies(gateway: Gateway, mirrored: Mirrored): void {
  const { service, mirror, ticket } = mirrored;
  const candidate = service.upstreams.get(mirror.route.to);
  if (candidate !== undefined) new MirrorCopy(gateway, mirrored, candidate).start();
  if (ticket.capture !== null && !ticket.capture.tooLarge && service.stable !== null)
    new MirrorCopy(gateway, mirrored, service.stable).start();
}

/** One copy of a request: on no account but its own, with one deadline for all of it. */
class MirrorCopy implements UpstreamHandler, Timed {
  deadlineIndex = -1;
  readonly #answerAtMs: number;
  readonly #gateway: Gateway;
  readonly #mirrored: Mirrored;
  readonly #upstream: Upstream;
  readonly #capture: ResponseCapture | null;
  #target: Target | null = null;
  #connection: UpstreamLink | null = null;
  #status = 0;
  #isFault = false;

  constructor(gateway: Gateway, mirrored: Mirrored, upstream: Upstream) {
    this.#gateway = gateway;
    this.#mirrored = mirrored;
    this.#upstream = upstream;
    const { capture } = mirrored.ticket;
    this.#capture = capture === null || capture.tooLarge ? null : new ResponseCapture(capture.rules);
    this.#answerAtMs = performance.now() + mirrored.service.route.timeouts.responseMs;
  }

  /** Of all of it; sooner where its target waits no longer for anything. */
  get deadlineMs(): number {
    return Math.min(this.#answerAtMs, this.#target?.cutAtMs ?? this.#answerAtMs);
  }

  start(): void {
    const { mirror } = this.#mirrored;
    const target = mirror.full || !this.#upstream.open ? null : pickTarget(this.#upstream, []);
    if (target === null) {
      add(this.#upstream.ledger, UPSTREAM.mirrorSkipped, 1);
      return;
    }
    this.#target = target;
    mirror.underWay++;
    add(this.#upstream.ledger, UPSTREAM.inFlight, 1);
    add(target.ledger, TARGET.inFlight, 1);
    add(this.#upstream.ledger, UPSTREAM.mirrored, 1);
    this.#gateway.deadlines.add(this);
    this.#connection = target.pool.takeIdle(this);
    if (this.#connection === null) this.#connect(target);
    else this.onConnected();
  }

  #connect({ pool }: Target): void {
    this.#connection = pool.connect(this, this.#mirrored.service.route.timeouts.connectMs);
  }

  onConnected(): void {
    const { bytes, request, service } = this.#mirrored;
    const role = this.#upstream === service.stable ? 'stable' : 'candidate';
    const { writer } = this.#gateway;
    writer.begin();
    writer.all(marked(bytes, role));
    this.#connection?.begin(writer, request);
  }

  onHead(head: Head): void {
    if (head.status < 200) return;
    this.#status = head.status;
    this.#capture?.begin(head);
  }

  onBody(buf: Buffer, reader: BodyReader): void {
    this.#capture?.add(buf, reader);
    if (!reader.done) return;
    readClockMs(); // for the connection's deadline
    const connection = this.#connection;
    this.#connection = null;
    this.#isFault = isGrpcFault(connection?.grpcStatus ?? NO_GRPC);
    connection?.release(true);
    this.#end();
  }

  onUpstreamDrain(): void {}

  onUpstreamFailure(failure: UpstreamFailure): void {
    const connection = this.#connection;
    this.#connection = null;
    const isRepeatable = failure === 'unprocessed' || (failure === 'reset' && this.#mirrored.request.idempotent);
    const isRace = isRepeatable && connection?.reused === true && !connection.answered;
    if (isRace && this.#target !== null) this.#connect(this.#target);
    else this.#fail();
  }

  onDeadline(): void {
    this.#connection?.destroy();
    this.#connection = null;
    this.#fail();
  }

  #fail(): void {
    this.#status = 0;
    if (this.#capture !== null) this.#capture.status = 0;
    this.#end();
  }

  #end(): void {
    const { ledger } = this.#upstream;
    this.#gateway.deadlines.remove(this);
    this.#mirrored.mirror.underWay--;
    add(ledger, UPSTREAM.inFlight, -1);
    if (this.#target !== null) add(this.#target.ledger, TARGET.inFlight, -1);
    this.#upstream.room?.call();
    if (this.#status === 0 || this.#status >= 500 || this.#isFault) add(ledger, UPSTREAM.mirrorErrors, 1);
    this.#compare();
  }

  #compare(): void {
    const { ticket, request, service } = this.#mirrored;
    if (ticket.capture === null || this.#capture === null) return;
    const { ledger } = this.#upstream;
    const { counters, route } = this.#gateway.current(service);
    const difference = responseDifference(ticket.capture, this.#capture);
    add(ledger, UPSTREAM.compared, 1);
    // Another rollout counts by other rules, and only its own copies.
    const isOfNow = route.salt === service.route.salt;
    if (counters !== null && isOfNow) countCopy(counters, this.#upstream, difference !== null);
    if (difference === null) return;
    add(ledger, UPSTREAM.differed, 1);
    if (this.#upstream === service.stable) return;
    this.#gateway.onDifference({ service, upstream: this.#upstream, request, difference });
  }
}

/** The request with a line that tells the target what it is. */
function marked(bytes: Buffer, role: 'candidate' | 'stable'): Buffer {
  const at = bytes.indexOf(LINE_END) + LINE_END.length;
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(`X-Tealgate-Mirror: ${role}\r\n`), bytes.subarray(at)]);
}
