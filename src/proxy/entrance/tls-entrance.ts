import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { VANISHED_AFTER_MS } from '../../http1/client-socket.ts';
import type { Deadlines, Timed } from '../../http1/deadlines.ts';
import type { TlsOptions } from '../messages.ts';
import { Certificates } from './certificates.ts';

/** What clients may agree on by ALPN (RFC 7301), best first; others are refused with an alert. */
const PROTOCOLS = ['http/1.1', 'http/1.0'];
const HTTP2 = 'h2';

export interface TlsSurroundings {
  /** 48 octets that encrypt session tickets, the same in all workers. */
  readonly ticketKeys: Buffer;
  /** For a whole handshake, however it trickles in. */
  readonly handshakeMs: number;
  readonly deadlines: Deadlines;
  /** HTTP/2 may be agreed on. */
  readonly http2: boolean;
  /** A handshake is done. `carrier`: the TCP socket beneath. */
  readonly onSecure: (socket: TLSSocket, carrier: Socket) => void;
}

/**
 * The TLS side of a listener: its handshakes and its certificates, which can be replaced while it serves. A handshake
 * that fails or takes too long ends quietly; it never was a request.
 */
export class TlsEntrance {
  readonly server: Server;
  readonly #handshakes = new Map<string, Handshake>();
  readonly #ticketKeys: Buffer;
  #options: TlsOptions;
  #handshakeMs: number;
  #certificates: Certificates;

  constructor(options: TlsOptions, { ticketKeys, handshakeMs, deadlines, http2, onSecure }: TlsSurroundings) {
    this.#options = options;
    this.#handshakeMs = handshakeMs;
    this.#ticketKeys = ticketKeys;
    this.#certificates = new Certificates(options, ticketKeys);
    this.server = createServer({
      ...this.#certificates.fallback,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: VANISHED_AFTER_MS,
      ALPNProtocols: http2 ? [HTTP2, ...PROTOCOLS] : PROTOCOLS,
      SNICallback: (name, answer) => answer(null, this.#certificates.find(name)),
    });
    this.server.on('connection', (carrier: Socket) => {
      const ends = endsOf(carrier);
      const handshake = new Handshake(carrier, deadlines, performance.now() + this.#handshakeMs);
      this.#handshakes.set(ends, handshake);
      carrier.once('close', () => {
        handshake.end();
        if (this.#handshakes.get(ends) === handshake) this.#handshakes.delete(ends);
      });
    });
    this.server.on('secureConnection', (socket) => {
      const ends = endsOf(socket);
      const handshake = this.#handshakes.get(ends);
      if (handshake === undefined) {
        socket.destroy(); // gone before we looked
        return;
      }
      this.#handshakes.delete(ends);
      handshake.end();
      socket.allowHalfOpen = true; // only now: in a handshake, a client that closes one side is gone
      onSecure(socket, handshake.carrier);
    });
  }

  /** Connections whose handshake goes on. */
  get handshaking(): number {
    return this.#handshakes.size;
  }

  /** New handshakes get these certificates and this time; connections live on. Throws and changes nothing. */
  update(options: TlsOptions, handshakeMs: number): void {
    if (!isDeepStrictEqual(options, this.#options)) this.#replaceCertificates(options);
    this.#handshakeMs = handshakeMs;
  }

  /** Ends the handshakes that go on. */
  abandon(): void {
    for (const { carrier } of this.#handshakes.values()) carrier.destroy();
  }

  #replaceCertificates(options: TlsOptions): void {
    const certificates = new Certificates(options, this.#ticketKeys);
    this.server.setSecureContext(certificates.fallback);
    this.#certificates = certificates;
    this.#options = options;
  }
}

/** Whether HTTP/2 was agreed on. */
export function isHttp2Agreed(socket: Socket): boolean {
  return 'alpnProtocol' in socket && socket.alpnProtocol === HTTP2;
}

/** A connection until TLS stands on it. */
class Handshake implements Timed {
  deadlineIndex = -1;
  deadlineMs: number;
  readonly carrier: Socket;
  readonly #deadlines: Deadlines;

  constructor(carrier: Socket, deadlines: Deadlines, deadlineMs: number) {
    this.carrier = carrier;
    this.deadlineMs = deadlineMs;
    this.#deadlines = deadlines;
    deadlines.add(this);
    carrier.on('error', () => {}); // 'close' follows and says it all
  }

  onDeadline(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.carrier.destroy();
  }

  end(): void {
    this.#deadlines.remove(this);
  }
}

/**
 * A TLS socket does not show the TCP socket beneath; on one listener the ends of their connection tell which it is. Both
 * ends: a client may use one port of its own for several addresses of ours at once.
 */
function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
