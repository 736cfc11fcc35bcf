import { createHmac } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export interface Received {
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Parsed body. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever a message should have
  readonly json: any;
}

export interface ReceiverAnswer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Somebody else's server, which keeps what it is sent. */
export interface Receiver extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly received: readonly Received[];
  close(): Promise<void>;
}

/**
 * @param answer null: none at all, the connection stays open
 * @param tls with it, `https:`
 */
export async function openReceiver(
  answer: (request: Received, count: number) => ReceiverAnswer | null = () => ({ status: 204 }),
  port = 0,
  tls?: ServerOptions,
): Promise<Receiver> {
  const received: Received[] = [];
  const listener: RequestListener = async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const json = /json/.test(incoming.headers['content-type'] ?? '') ? JSON.parse(body) : null;
    const request = { path: incoming.url ?? '', headers: incoming.headers, body, json };
    received.push(request);
    const given = answer(request, received.length);
    if (given !== null) response.writeHead(given.status, given.headers).end(given.body);
  };
  const server = tls === undefined ? createServer(listener) : createSecureServer(tls, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  const scheme = tls === undefined ? 'http' : 'https';
  return { url: `${scheme}://127.0.0.1:${bound}/hook`, port: bound, received, close, [Symbol.asyncDispose]: close };
}

/** Whether a request carries the signature of this secret, by the Standard Webhooks scheme. */
export function isSignedBy({ headers, body }: Received, secret: string): boolean {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
  return String(headers['webhook-signature']).split(' ').includes(expected);
}
