import { readFileSync } from 'node:fs';
import { createSecureServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { WeightedPicker } from '../../src/traffic/weighted-picker.ts';
import type { NodeServerOptions } from '../peers/node-peers.ts';
import { CERTIFICATE, KEY } from '../tls.ts';

/**
 * No proxy, but what any proxy on node:http2 costs at least: each stream's path goes to a target in a request that is
 * otherwise made already, and what comes back goes out under fields that are made already. For GET and whole heads only.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as NodeServerOptions;
const picker = new WeightedPicker(options.targets.map(({ port, weight }) => ({ item: port, weight })));
const idle: Link[] = [];

const server = createSecureServer({ cert: readFileSync(CERTIFICATE), key: readFileSync(KEY) });
server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
  (idle.pop() ?? new Link()).ask(stream, headers[':path'] ?? '/');
});
server.listen({ port: options.port, host: '127.0.0.1', backlog: 4096 });

/** A connection to a target, for one stream at a time. */
class Link {
  readonly #socket: Socket;
  #stream: ServerHttp2Stream | null = null;
  /** Octets of the body still to come; null before its head. */
  #left: number | null = null;

  constructor() {
    this.#socket = connect({ port: picker.next() ?? 0, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#relay(chunk));
    this.#socket.on('error', () => {}); // 'close' follows
    this.#socket.on('close', () => this.#onClose());
  }

  ask(stream: ServerHttp2Stream, path: string): void {
    this.#stream = stream;
    stream.on('error', () => {}); // the load has ended
    stream.on('drain', () => this.#socket.resume());
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: ${options.hosts[0]}\r\n\r\n`, 'latin1');
  }

  #relay(chunk: Buffer): void {
    const body = this.#left === null ? this.#respond(chunk) : chunk;
    this.#left = (this.#left ?? 0) - body.length;
    if (this.#left === 0) this.#finish(body);
    else if (this.#stream?.write(body) === false) this.#socket.pause();
  }

  /** Returns what came of the body. */
  #respond(chunk: Buffer): Buffer {
    const end = chunk.indexOf('\r\n\r\n') + 4;
    const length = /content-length: (\d+)/i.exec(chunk.latin1Slice(0, end))?.[1] ?? '0';
    this.#left = Number(length);
    const fields = [':status', '200', 'content-type', 'application/octet-stream', 'content-length', length];
    if (this.#stream?.destroyed === false) this.#stream.respond(fields);
    return chunk.subarray(end);
  }

  #finish(body: Buffer): void {
    this.#stream?.end(body);
    this.#stream = null;
    this.#left = null;
    idle.push(this);
  }

  #onClose(): void {
    this.#stream?.destroy();
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
  }
}
