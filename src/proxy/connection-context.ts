import type { DownstreamConnection } from '../http1/downstream-connection.ts';
import type { Exchange } from './exchange/exchange.ts';
import type { ForwardingFields } from './forwarding.ts';

/** What a client connection carries for the gateway. */
export interface ConnectionContext {
  /** Serves the connection's requests, one at a time. */
  exchange: Exchange | null;
  readonly forwarding: ForwardingFields;
  /** The client speaks TLS with us. */
  readonly secure: boolean;
  /** Infinity for none. */
  readonly bodyBytes: number;
  readonly onClosed: () => void;
}

export function contextOf(connection: DownstreamConnection): ConnectionContext {
  return connection.context as ConnectionContext; // set by the listener before any data is read
}
