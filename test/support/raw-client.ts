import { connect, type Socket } from 'node:net';
import { DEADLINE_MS, type Ending, Inbox } from './inbox.ts';
import { type ParsedResponse, parseHead, parseResponseBody, parseStatusLine, WireViolation } from './message.ts';

export interface ReadOptions {
  /** Method of the request answered; HEAD has no body. Default GET. */
  readonly method?: string;
  readonly deadlineMs?: number;
}

/** A client that writes exactly the bytes it is told and shows exactly the bytes it got. */
export class RawClient {
  readonly inbox = new Inbox();
  readonly #socket: Socket;
  readonly #carrier: Socket;
  #cursor = 0;

  private constructor(socket: Socket, carrier: Socket) {
    this.#socket = socket;
    this.#carrier = carrier;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.inbox.push(chunk));
    socket.on('end', () => this.inbox.end('fin'));
    socket.on('error', () => this.inbox.end('reset'));
    socket.on('close', () => this.inbox.end('reset'));
  }

  static connect(port: number, host = '127.0.0.1'): Promise<RawClient> {
    const { promise, resolve, reject } = Promise.withResolvers<RawClient>();
    const socket = connect({ port, host, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(RawClient.over(socket));
    });
    return promise;
  }

  /** On a socket that is connected. `carrier`: the TCP socket beneath, where it is another. */
  static over(socket: Socket, carrier: Socket = socket): RawClient {
    return new RawClient(socket, carrier);
  }

  /** Writes the bytes (characters as Latin-1 octets); returns false when they wait for the peer to read. */
  write(...bytes: (string | Buffer)[]): boolean {
    const all = bytes.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part));
    return this.#socket.write(Buffer.concat(all));
  }

  /** Writes each octet in a segment of its own. */
  async writeByteByByte(bytes: string | Buffer): Promise<void> {
    for (const octet of Buffer.from(bytes as string, 'latin1')) {
      await new Promise<void>((resolve) => this.#socket.write(Buffer.of(octet), () => setImmediate(resolve)));
      if (this.inbox.ended !== null) return;
    }
  }

  /** Resolves when all that was written has left for the kernel. */
  async flushed(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write('', () => resolve()));
  }

  /** Octets written that the kernel has not taken. */
  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  get closed(): boolean {
    return this.inbox.ended !== null;
  }

  /** What came after the messages already read. */
  get rest(): Buffer {
    return this.inbox.bytes.subarray(this.#cursor);
  }

  /** Octets received in all. */
  get receivedBytes(): number {
    return this.inbox.length;
  }

  /** The next response, interim ones included, when it is whole; fails if the stream ends inside it. */
  async readResponse(options: ReadOptions = {}): Promise<ParsedResponse> {
    const parsed = await this.inbox.wait(
      'a whole response',
      () => this.#next(options.method ?? 'GET'),
      options.deadlineMs,
    );
    if (!parsed.body.complete)
      throw new WireViolation(`response cut: ${parsed.startLine}, ${parsed.body.length} octets of body`);
    this.#cursor += parsed.length + parsed.body.length;
    return parsed;
  }

  /** The next final response and the interim ones before it. */
  async readFinal(
    options: ReadOptions = {},
  ): Promise<ParsedResponse & { readonly interim: readonly ParsedResponse[] }> {
    const interim: ParsedResponse[] = [];
    for (;;) {
      const parsed = await this.readResponse(options);
      if (parsed.status >= 200 || parsed.status === 101) return { ...parsed, interim };
      interim.push(parsed);
    }
  }

  /** The next response when its head is whole, with the body so far; nothing is consumed. */
  async peekHead(options: ReadOptions = {}): Promise<ParsedResponse> {
    return this.inbox.wait(
      'a response head',
      () => {
        const parsed = this.#parse(options.method ?? 'GET');
        if (parsed === null && this.inbox.ended !== null)
          throw new WireViolation(`the stream ended (${this.inbox.ended}) before a head`);
        return parsed ?? undefined;
      },
      options.deadlineMs,
    );
  }

  /** The next response as far as it got when the stream ended: for messages that must be cut. */
  async readCut(options: ReadOptions = {}): Promise<ParsedResponse | null> {
    await this.readUntilClosed(options.deadlineMs);
    return this.#parse(options.method ?? 'GET');
  }

  /** Waits for the peer's end and says how it came. */
  async readUntilClosed(deadlineMs = DEADLINE_MS): Promise<Ending> {
    return this.inbox.wait('the end of the stream', () => this.inbox.ended ?? undefined, deadlineMs);
  }

  /** Waits until at least `count` octets came behind the messages already read, and consumes them. */
  async readBytes(count: number, deadlineMs = DEADLINE_MS): Promise<Buffer> {
    const enough = (): true | undefined => (this.rest.length >= count ? true : undefined);
    await this.inbox.wait(`${count} octets`, enough, deadlineMs);
    const bytes = Buffer.from(this.rest.subarray(0, count));
    this.#cursor += count;
    return bytes;
  }

  /** Ends the writing half. */
  halfClose(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#carrier.resetAndDestroy();
  }

  /** Leaves the received bytes in the kernel. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #next(method: string): ParsedResponse | undefined {
    const parsed = this.#parse(method);
    if (parsed?.body.complete || (parsed !== null && this.inbox.ended !== null)) return parsed ?? undefined;
    if (this.inbox.ended !== null)
      throw new WireViolation(`the stream ended (${this.inbox.ended}) instead of a response`);
    return undefined;
  }

  #parse(method: string): ParsedResponse | null {
    const parsed = parseHead(this.rest);
    if (parsed === null) return null;
    const line = parseStatusLine(parsed.startLine);
    const body = parseResponseBody(parsed, this.rest.subarray(parsed.length), method, this.inbox.ended === 'fin');
    return { ...parsed, ...line, body };
  }
}
