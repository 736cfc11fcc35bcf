import type { ClientRequest, Agent as HttpAgent, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { refusesClient } from '../../http1/connect-failure.ts';
import type { DownstreamConnection } from '../../http1/downstream-connection.ts';
import type { Tap } from '../../http1/tap.ts';
import { MAX_HEAD_BYTES } from '../../http1/upstream-connection.ts';
import type { UpstreamFailure } from '../../http1/upstream-link.ts';
import { Agent } from '../../platform/node-http.ts';
import type { ReportField } from '../exchange/reports.ts';
import { httpDate } from '../http-date.ts';
import type { Target, Upstream } from '../routing-table.ts';

/** Why an answer is not waited for any longer. */
export type GivenUp = 'response_timeout' | 'cut';

/** The exchange of a handshake: one of the three is called, once. */
export interface HandshakeHandler {
  /** `report`: of the business; empty for none. */
  onHandshakeAnswered(status: number, report: string): void;
  /** Returns the reply for the client. */
  onHandshakeFailed(failure: UpstreamFailure | GivenUp): Buffer;
  onClientGone(): void;
}

/** A handshake that has been routed. */
export interface RoutedHandshake {
  readonly client: DownstreamConnection;
  /** The handshake as it is to be forwarded. */
  readonly head: Buffer;
  /** Connected to the target. */
  readonly peer: Tap;
  readonly upstream: Upstream;
  readonly target: Target;
  readonly responseTimeoutMs: number;
  /** For a client that takes nothing of a refusal. */
  readonly stallTimeoutMs: number;
  /** Whole field lines to add to the answer. */
  readonly extra: string;
  readonly reportField: ReportField | null;
  readonly handler: HandshakeHandler;
}

/** A handshake between its forwarding and its answer. */
export class Handshake {
  readonly proxyOptions: { target: { protocol: string; host: string; port: number }; agent: HttpAgent };
  readonly #socket: Socket;
  readonly #handler: HandshakeHandler;
  readonly #extra: string;
  readonly #reportField: ReportField | null;
  readonly #stallTimeoutMs: number;
  readonly #onSwitched: () => void;
  readonly #timer: NodeJS.Timeout;
  #request: ClientRequest | null = null;
  #givenUp: GivenUp | null = null;
  #over = false;
  #isTunnel = false;

  constructor(socket: Socket, routed: RoutedHandshake, onSwitched: () => void) {
    const { socket: peer } = routed.peer;
    const { host, port } = routed.target.route;
    this.#socket = socket;
    this.#handler = routed.handler;
    this.#extra = routed.extra;
    this.#reportField = routed.reportField;
    this.#stallTimeoutMs = routed.stallTimeoutMs;
    this.#onSwitched = onSwitched;
    const agent = new Agent();
    agent.createConnection = () => peer;
    this.proxyOptions = { target: { protocol: 'http:', host, port }, agent };
    this.#timer = setTimeout(() => this.giveUp('response_timeout'), routed.responseTimeoutMs);
    socket.once('close', () => {
      this.#onClientGone();
      // A tunnel closes its own; any other connection to the target ends with the client's.
      if (!this.#isTunnel) peer.destroy();
    });
    socket.once('end', () => this.#onClientGone()); // half a client can do nothing with a tunnel
    socket.on('error', () => socket.destroy()); // over TLS, Node.js may not do so by itself
  }

  /** http-proxy-3 is about to send; it would normalise the path. */
  onRequest(request: ClientRequest, incoming: IncomingMessage): void {
    this.#request = request;
    request.path = incoming.url ?? '/';
    request.maxHeadersCount = 0; // no limit: Node.js leaves out what is beyond its own
    Object.assign(request, { maxHeaderSize: MAX_HEAD_BYTES }); // read from there once the socket is assigned
    this.#refuseNonsense(request);
    request.on('upgrade', (response) => {
      const report = this.#rewrite(response, 'upgrade');
      this.#isTunnel = true;
      this.#end(() => this.#handler.onHandshakeAnswered(101, report));
      this.#onSwitched();
    });
    request.on('response', (response) => {
      const report = this.#rewrite(response, 'close'); // http-proxy-3 ends the connection behind a refusal
      response.headers.date ??= httpDate();
      if (response.statusCode === 204 || response.statusCode === 304) frameNothing(response);
      response.on('error', () => this.#socket.destroy()); // cut inside the body: the client must see it
      response.on('aborted', () => this.#socket.destroy());
      this.#holdBack(response);
      this.#end(() => this.#handler.onHandshakeAnswered(response.statusCode ?? 502, report));
    });
  }

  /** The head as the client gets it. Returns what it reports of the business. */
  #rewrite(response: IncomingMessage, connection: 'upgrade' | 'close'): string {
    dropTheirs(response, connection);
    const report = takeReport(response, this.#reportField);
    addLines(response, this.#extra);
    return report;
  }

  /** Node.js takes any three digits for a status, and http-proxy-3 relays all that it is told of. */
  #refuseNonsense(request: ClientRequest): void {
    const emit = request.emit.bind(request);
    request.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      const isNonsense = event === 'response' && !isFinalStatus((args[0] as IncomingMessage).statusCode); // by its documentation
      if (!isNonsense) return emit(event, ...args);
      request.destroy(Object.assign(new Error('not a status'), { code: 'HPE_INVALID_STATUS' }));
      return false;
    };
  }

  /** http-proxy-3 writes on whether the client takes it or not: reading what it writes from has to stop instead. */
  #holdBack(response: IncomingMessage): void {
    const socket = this.#socket;
    response.on('data', () => {
      if (socket.writableNeedDrain) response.pause();
    });
    socket.on('drain', () => response.resume());
    let takenBefore = -1;
    const look = setInterval(() => {
      const taken = socket.bytesWritten - socket.writableLength;
      if (socket.writableLength > 0 && taken === takenBefore) socket.destroy();
      takenBefore = taken;
    }, this.#stallTimeoutMs);
    socket.once('close', () => clearInterval(look));
  }

  onError(error: Error): void {
    const failure = this.#givenUp ?? failureOf(error);
    this.#end(() => {
      const reply = this.#handler.onHandshakeFailed(failure);
      if (!this.#socket.destroyed) this.#socket.write(reply);
    });
  }

  /** `onError` follows. */
  giveUp(why: GivenUp): void {
    this.#givenUp = why;
    this.#request?.destroy(new Error('no answer to the handshake in time'));
  }

  #onClientGone(): void {
    if (this.#over) {
      if (!this.#isTunnel) this.#socket.destroySoon(); // inside a refusal: what was relayed of it may still arrive
      return;
    }
    this.#end(() => this.#handler.onClientGone());
    this.#request?.destroy();
    this.#socket.destroy();
  }

  #end(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    tell();
  }
}

/** The connection stood already: what is left is that the answer did not come, or was none. */
function failureOf(error: Error): UpstreamFailure {
  if (refusesClient(error)) return 'tls_alert';
  const { code } = error as NodeJS.ErrnoException;
  return code?.startsWith('HPE_') ? 'protocol' : 'reset';
}

function isFinalStatus(status = 0): boolean {
  return status >= 200 && status <= 599;
}

/** Of the target's connection with us (RFC 9110 §7.6.1), and what only we say. */
const THEIRS = ['keep-alive', 'proxy-connection', 'x-tealgate-upstream'];
/** Needed, though `Connection` names them. */
const NEEDED: ReadonlySet<string> = new Set(['upgrade', 'content-length', 'transfer-encoding']);

function dropTheirs({ headers }: IncomingMessage, connection: 'upgrade' | 'close'): void {
  const named = (headers.connection ?? '').toLowerCase().split(',');
  for (const name of [...named, ...THEIRS]) if (!NEEDED.has(name.trim())) delete headers[name.trim()];
  headers.connection = connection;
  if (connection === 'close') return;
  // There is no body that they could be about (RFC 9110 §8.6, RFC 9112 §6.1).
  delete headers['content-length'];
  delete headers['transfer-encoding'];
}

/** As that of any other response, see {@link ReportField}. */
function takeReport({ headers }: IncomingMessage, field: ReportField | null): string {
  if (field === null) return '';
  const name = field.name.latin1Slice();
  const report = headers[name];
  if (!field.forward) delete headers[name];
  return report?.toString() ?? '';
}

/** A list of no lines keeps http-proxy-3 from chunking what has no body (RFC 9112 §6.1). */
function frameNothing({ headers }: IncomingMessage): void {
  if (headers['content-length'] === undefined) Object.assign(headers, { 'content-length': [] });
}

/** http-proxy-3 sends on what stands in `headers`. */
function addLines(response: IncomingMessage, lines: string): void {
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(': ');
    if (colon < 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 2);
    if (name === 'set-cookie') response.headers['set-cookie'] = [...(response.headers['set-cookie'] ?? []), value];
    else response.headers[name] = value;
  }
}
