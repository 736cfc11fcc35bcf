import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
} from 'node:http2';
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

export interface Http2Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Default none. */
  readonly body?: Buffer;
}

export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Of an answer that was read to its end. */
  readonly trailers: IncomingHttpHeaders;
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

/** Sends a request on a connection of its own and reads up to `bodyBytes` of the answer. */
export async function askHttp2(
  peer: Http2Peer,
  request: Http2Request,
  { bodyBytes, signal }: { readonly bodyBytes: number; readonly signal: AbortSignal },
): Promise<Http2Answer> {
  const session = await openHttp2(peer, signal);
  const onAbort = (): void => session.destroy(signal.reason);
  signal.addEventListener('abort', onAbort);
  try {
    signal.throwIfAborted();
    const { method, path, headers, body } = request;
    const fields = { ':method': method, ':path': path, ...headers };
    const stream = session.request(fields, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    let trailers: IncomingHttpHeaders = {};
    stream.on('trailers', (came: IncomingHttpHeaders) => {
      trailers = came;
    });
    const answer = await headersOf(stream);
    const answerBody = await readUpTo(stream, bodyBytes);
    return { status: answer[':status'] ?? 0, headers: answer, trailers, body: answerBody };
  } finally {
    signal.removeEventListener('abort', onAbort);
    session.destroy();
  }
}

function headersOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders & { readonly ':status'?: number }> {
  return new Promise((resolve, reject) => {
    stream.on('response', resolve);
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the stream was reset')));
  });
}
