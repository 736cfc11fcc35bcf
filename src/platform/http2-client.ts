import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readUpTo } from './read-up-to.ts';
import { secureOptions, type TargetTls } from './tls.ts';

/** Whom to ask by HTTP/2. */
export interface Http2Peer {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port` as the peer is asked for. */
  readonly authority: string;
  /** Null: plain, with prior knowledge. */
  readonly tls: TargetTls | null;
}

export interface Http2Answer {
  readonly status: number;
  /** No more than asked for. */
  readonly body: Buffer;
}

/**
 * A connection of its own, for checks and not for traffic; it stands when the peer's SETTINGS have come. Rejects with why
 * it does not, or with the reason of `signal`. Who has it destroys it.
 */
export async function openHttp2(peer: Http2Peer, signal: AbortSignal): Promise<ClientHttp2Session> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientHttp2Session>();
  const { host, port, authority, tls } = peer;
  const socket = tls === null ? connect({ host, port }) : connectTls({ ...secureOptions(tls, host, 'h2'), host, port });
  const session = connectHttp2(`${tls === null ? 'http' : 'https'}://${authority}`, {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  session.on('error', reject);
  session.on('close', () => reject(new Error('the connection was closed before it was agreed on')));
  session.on('connect', () => {
    if (tls !== null && session.alpnProtocol !== 'h2') reject(new Error('HTTP/2 was not agreed on (ALPN)'));
  });
  session.once('remoteSettings', () => resolve(session));
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    signal.throwIfAborted();
    return await promise;
  } catch (error) {
    session.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Sends a request without a body on a connection of its own and reads up to `bodyBytes` of the answer. */
export async function askHttp2(
  peer: Http2Peer,
  request: { readonly method: string; readonly path: string; readonly headers: Readonly<Record<string, string>> },
  { bodyBytes, signal }: { readonly bodyBytes: number; readonly signal: AbortSignal },
): Promise<Http2Answer> {
  const session = await openHttp2(peer, signal);
  const onAbort = (): void => session.destroy(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    signal.throwIfAborted();
    const { method, path, headers } = request;
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: true });
    const status = await statusOf(stream);
    return { status, body: await readUpTo(stream, bodyBytes) };
  } finally {
    signal.removeEventListener('abort', onAbort);
    session.destroy();
  }
}

function statusOf(stream: ClientHttp2Stream): Promise<number> {
  return new Promise((resolve, reject) => {
    stream.on('response', (headers) => resolve(headers[':status'] ?? 0));
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the stream was reset')));
  });
}
