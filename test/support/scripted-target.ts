import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket, type TlsOptions, Server as TlsServer } from 'node:tls';
import { DEADLINE_MS, type Ending, eventually, Inbox } from './inbox.ts';
import {
  type Body,
  type Head,
  parseHead,
  parseRequestBody,
  parseRequestLine,
  response,
  WireViolation,
} from './message.ts';

/** Called when a request's head has arrived; answers by `request.send`, or not at all. */
export type TargetScript = (request: TargetRequest) => void | Promise<void>;

/** A raw TCP or TLS server that records what it was sent and answers as its script says. */
export class ScriptedTarget {
  /** In the order their heads arrived, over all connections. */
  readonly requests: TargetRequest[] = [];
  readonly connections: TargetConnection[] = [];
  /** What must never happen: bytes that are no HTTP/1.1, or a script that threw. */
  readonly violations: string[] = [];
  script: TargetScript;
  readonly #server: Server;
  /** Accepted, though there may be no connection for them: where TLS was not agreed on. */
  readonly #accepted = new Set<Socket>();

  private constructor(server: Server, script: TargetScript) {
    this.#server = server;
    this.script = script;
    server.on('connection', (socket) => this.#accepted.add(socket));
    const event = server instanceof TlsServer ? 'secureConnection' : 'connection';
    server.on(event, (socket: Socket) => this.connections.push(new TargetConnection(this, socket)));
  }

  /** `tls`: it speaks TLS with these options. */
  static async listen(script: TargetScript = echo, port = 0, tls?: TlsOptions): Promise<ScriptedTarget> {
    const options = { allowHalfOpen: true, noDelay: true };
    const server = tls === undefined ? createServer(options) : createTlsServer({ ...options, ...tls });
    const target = new ScriptedTarget(server, script);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return target;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Requests that arrived whole. */
  get whole(): TargetRequest[] {
    return this.requests.filter((request) => request.complete);
  }

  get openConnections(): number {
    return this.connections.filter((connection) => connection.inbox.ended === null).length;
  }

  /** The request number `index`, once its head is here. */
  async request(index = 0, deadlineMs = DEADLINE_MS): Promise<TargetRequest> {
    await eventually(`the target has request ${index}`, () => this.requests.length > index, deadlineMs);
    return this.requests[index] as TargetRequest; // just seen
  }

  /** The connection number `index`, once it is accepted. */
  async connection(index = 0, deadlineMs = DEADLINE_MS): Promise<TargetConnection> {
    await eventually(`the target has connection ${index}`, () => this.connections.length > index, deadlineMs);
    return this.connections[index] as TargetConnection; // just seen
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.connections) connection.destroy();
    for (const socket of this.#accepted) socket.destroy();
    await closed;
  }
}

export class TargetConnection {
  readonly inbox = new Inbox();
  readonly requests: TargetRequest[] = [];
  /** Keeps our half open when the gate ends its own. A server would not. */
  ignoresEnd = false;
  /** Its TLS session was begun on an earlier connection. */
  readonly resumed: boolean;
  /** Name that the gate asked for in its TLS handshake (SNI); null for none. */
  readonly serverName: string | null;
  readonly #target: ScriptedTarget;
  readonly #socket: Socket;
  #cursor = 0;
  #current: TargetRequest | null = null;
  #raw = false;

  constructor(target: ScriptedTarget, socket: Socket) {
    this.#target = target;
    this.#socket = socket;
    this.resumed = socket instanceof TLSSocket && socket.isSessionReused();
    this.serverName = socket instanceof TLSSocket ? socket.servername || null : null;
    socket.on('data', (chunk: Buffer) => {
      this.inbox.push(chunk);
      this.#advance();
      this.inbox.wake(); // for those who wait for what was read out of it
    });
    socket.on('end', () => this.#end('fin'));
    socket.on('error', () => this.#end('reset'));
    socket.on('close', () => this.#end('reset'));
  }

  /** Octets received behind the requests read so far: of a request under way, or of a tunnel. */
  get rest(): Buffer {
    return this.inbox.bytes.subarray(this.#cursor);
  }

  /** How the gate ended its half, once it has. */
  async closed(deadlineMs = DEADLINE_MS): Promise<Ending> {
    return this.inbox.wait(
      'the gate closing its connection to the target',
      () => this.inbox.ended ?? undefined,
      deadlineMs,
    );
  }

  send(...bytes: (string | Buffer)[]): boolean {
    const all = bytes.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
    return this.#socket.write(Buffer.concat(all));
  }

  async sendByteByByte(bytes: string | Buffer): Promise<void> {
    for (const octet of Buffer.from(bytes as string, 'latin1')) {
      await new Promise<void>((resolve) => this.#socket.write(Buffer.of(octet), () => setImmediate(resolve)));
    }
  }

  /** Octets that the gate has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  /** Resolves when the gate has taken everything that was sent. */
  async drained(): Promise<void> {
    if (this.#socket.writableNeedDrain)
      await new Promise<void>((resolve) => this.#socket.once('drain', () => resolve()));
  }

  /** Reads no more as HTTP: what follows stays in `rest`. */
  tunnel(): void {
    this.#raw = true;
    if (this.#current !== null) this.#cursor += this.#current.head.length;
    this.#current = null;
  }

  end(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #end(how: Ending): void {
    this.inbox.end(how);
    this.#current?.finish(false);
    this.#current = null;
    if (how === 'fin' && !this.ignoresEnd) this.#socket.end();
  }

  #advance(): void {
    try {
      while (!this.#raw && this.#step());
    } catch (error) {
      if (!(error instanceof WireViolation)) throw error;
      this.#target.violations.push(error.message);
      this.#raw = true;
      this.#socket.destroy();
    }
  }

  /** Reads one head or the rest of one body. False when more bytes are needed. */
  #step(): boolean {
    if (this.#current === null) {
      const head = parseHead(this.rest);
      if (head === null) return false;
      this.#current = new TargetRequest(head, this);
      this.requests.push(this.#current);
      this.#target.requests.push(this.#current);
      this.#current.readBody(this.rest);
      this.#run(this.#current);
    } else {
      this.#current.readBody(this.rest);
    }
    if (this.#current === null || !this.#current.complete) return false;
    this.#cursor += this.#current.head.length + this.#current.body.length;
    this.#current = null;
    return this.rest.length > 0;
  }

  #run(request: TargetRequest): void {
    const failed = (error: unknown): void => {
      this.#target.violations.push(`the script failed: ${error instanceof Error ? error.message : String(error)}`);
    };
    try {
      Promise.resolve(this.#target.script(request)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}

/** A request as the target got it. */
export class TargetRequest {
  readonly head: Head;
  readonly method: string;
  readonly target: string;
  readonly minor: number;
  readonly connection: TargetConnection;
  /** Its place among the requests of its connection, from 0. */
  readonly nth: number;
  body: Body;
  complete = false;
  readonly #finished = Promise.withResolvers<boolean>();

  constructor(head: Head, connection: TargetConnection) {
    const line = parseRequestLine(head.startLine);
    this.head = head;
    this.method = line.method;
    this.target = line.target;
    this.minor = line.minor;
    this.connection = connection;
    this.nth = connection.requests.length;
    this.body = parseRequestBody(head, Buffer.alloc(0));
  }

  get fields(): Head['fields'] {
    return this.head.fields;
  }

  /** Resolves true when the request is whole, false when its connection ended before. */
  get whole(): Promise<boolean> {
    return this.#finished.promise;
  }

  send(...bytes: (string | Buffer)[]): boolean {
    return this.connection.send(...bytes);
  }

  /** Called by the connection with all octets from this request's head on. */
  readBody(from: Buffer): void {
    this.body = parseRequestBody(this.head, from.subarray(this.head.length));
    if (this.body.complete) this.finish(true);
  }

  finish(complete: boolean): void {
    this.complete ||= complete;
    this.#finished.resolve(complete);
  }
}

/** The default script: waits for the whole request and answers 200 with its method and target as the body. */
export async function echo(request: TargetRequest): Promise<void> {
  if (await request.whole)
    request.send(response('200 OK', ['Content-Type: text/plain'], `${request.method} ${request.target}`));
}
