import { createServer, type Server, type Socket } from 'node:net';
import { DownstreamConnection } from '../http1/downstream-connection.ts';
import { createTrust, ForwardingFields } from './forwarding.ts';
import type { ConnectionContext, Gateway } from './gateway.ts';
import type { ListenerOptions } from './messages.ts';

/** One address that this worker accepts clients on. */
export class Listener {
  readonly options: ListenerOptions;
  readonly connections = new Set<DownstreamConnection>();
  readonly #server: Server;
  readonly #gateway: Gateway;
  readonly #trust: ReturnType<typeof createTrust>;
  #port = 0;

  constructor(options: ListenerOptions, gateway: Gateway) {
    this.options = options;
    this.#gateway = gateway;
    this.#trust = createTrust(options.trustedProxies);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.limits.connections;
  }

  get port(): number {
    return this.#port;
  }

  listen(reusePort: boolean): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, reusePort, backlog: 4096 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => {}); // accept errors (EMFILE) pass; the next connection is tried again
        const address = this.#server.address();
        if (typeof address === 'object' && address !== null) this.#port = address.port;
        resolve();
      });
    });
  }

  /** Accepts no more; connections live on. */
  close(): void {
    this.#server.close();
  }

  /** Closes the connections that carry no request. */
  closeIdle(): void {
    for (const connection of this.connections) if (connection.idle) connection.close();
  }

  closeAll(): void {
    for (const connection of this.connections) connection.close();
  }

  #accept(socket: Socket): void {
    if (socket.remoteAddress === undefined) {
      socket.destroy(); // gone before we looked
      return;
    }
    const gateway = this.#gateway;
    const connection = new DownstreamConnection(socket, this.options, gateway, gateway.deadlines);
    const context: ConnectionContext = {
      exchange: null,
      forwarding: new ForwardingFields(connection.remoteAddress, this.#trust, gateway.pseudonym, 'http'),
      bodyBytes: this.options.limits.bodyBytes,
      onClosed: () => this.connections.delete(connection),
    };
    connection.context = context;
    this.connections.add(connection);
  }
}
