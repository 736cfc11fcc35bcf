import {
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach } from 'vitest';
import { type FrameScript, FrameTarget } from './http2-frames.ts';

export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

/** A target that is Node's own HTTP/2 server. */
export interface Http2Target {
  readonly port: number;
  readonly server: Http2Server;
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  /** Sessions there ever were. */
  readonly opened: number;
  close(): Promise<void>;
}

/** Over TLS with `cert` and `key`, else plain. */
async function openHttp2Target(
  onStream: StreamHandler,
  options: ServerOptions & SecureServerOptions = {},
  port = 0,
): Promise<Http2Target> {
  const server = options.cert === undefined ? createServer(options) : createSecureServer(options);
  const sessions = new Set<ServerHttp2Session>();
  let opened = 0;
  server.on('session', (session) => {
    opened++;
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  server.on('sessionError', () => {});
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    server,
    sessions,
    get opened() {
      return opened;
    },
    async close() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** HTTP/2 targets of a test file, closed after each test. */
export function useHttp2Targets() {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((target) => target.close()));
  });
  const keep = <T extends { close(): Promise<void> }>(target: T): T => {
    open.push(target);
    return target;
  };
  return {
    node: async (...of: Parameters<typeof openHttp2Target>) => keep(await openHttp2Target(...of)),
    frames: async (script: FrameScript) => keep(await FrameTarget.listen(script)),
  };
}

/** Answers with the method and path, behind the request's body. */
export const echo: StreamHandler = (stream, headers) => {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end(Buffer.concat([Buffer.from(`${headers[':method']} ${headers[':path']} `), ...chunks]));
  });
};
