import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { monotonicMs } from '../platform/clock.ts';
import { TealgateError } from '../platform/errors.ts';
import type { AccessRules } from './access.ts';
import type { Identity } from './auth.ts';
import { parseJsonBody } from './json-body.ts';
import { fromFrameworkError, PROBLEM_TYPE, toProblem } from './problem.ts';
import type { Answer, Route, RouteDeps } from './route.ts';

const BODY_BYTES = 64 << 10;
/** Longest name in a path: what a head holds, so that a long one is one that does not exist and no failure of the framework. */
const NAME_LENGTH = 16 << 10;
/** How often half-sent heads and bodies are looked for. */
const CHECK_INTERVAL_MS = 1000;
/** Plenty for operators, dashboards and scrapers; a flood here must not take the descriptors that traffic needs. */
const MAX_CONNECTIONS = 512;

const RESPONSE_HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

export interface HttpOptions {
  readonly routes: readonly Route[];
  readonly deps: RouteDeps;
  readonly access: AccessRules;
  readonly log: Logger;
  /** Half-sent heads and bodies are cut after this. */
  readonly requestTimeoutMs: number;
  /** Ends waits and streams when the server closes. */
  readonly closing: AbortSignal;
}

/** The HTTP side of the admin API: everything that is the same for every call. */
export function createHttp(options: HttpOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_BYTES,
    requestTimeout: options.requestTimeoutMs,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    http: {
      headersTimeout: options.requestTimeoutMs,
      connectionsCheckingInterval: CHECK_INTERVAL_MS,
      // A request without Host is refused here, with a problem document.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: NAME_LENGTH },
    // Calls are checked and answered by the schemas of their routes; the compilers of the framework take longer to load
    // than the framework.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => sendError(options, request, reply, error),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  acceptJsonOnly(app);
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers(RESPONSE_HEADERS);
    // Before a body is read, as for the paths that there are.
    if (request.is404) throw notFound(options, request, reply);
    done();
  });
  app.setErrorHandler((error, request, reply) => sendError(options, request, reply, error));
  const signalOf = createCallSignals(options.closing);
  for (const route of options.routes) serve(app, route, { ...options, signalOf });
  return app;
}

/** No route hands a schema to the framework, so that it never asks for one. */
function noSchemas(): never {
  throw new TealgateError('internal', 'schemas of the framework are not used here');
}

function acceptJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    try {
      const coding = request.headers['content-encoding'] ?? 'identity';
      if (coding !== 'identity') throw new TealgateError('unsupported_media_type', 'the body must not be compressed');
      done(null, parseJsonBody(Buffer.from(bytes)));
    } catch (error) {
      done(TealgateError.from(error));
    }
  });
}

interface ServeOptions extends HttpOptions {
  readonly signalOf: (reply: FastifyReply) => AbortSignal;
}

function serve(app: FastifyInstance, route: Route, { access, deps, log, signalOf }: ServeOptions): void {
  const callers = new WeakMap<FastifyRequest, Identity>();
  app.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/g, ':$1'),
    // Before the body is read: who may not call does not get to send one.
    onRequest: (request, reply, done) => {
      const identity = access.admit(request.raw, route.access);
      if (identity !== null) callers.set(request, identity);
      if (route.method !== 'GET') logWhenDone(log, request, reply, identity);
      done();
    },
    handler: async (request, reply) => {
      const { params, query, body, headers } = request;
      const identity = callers.get(request) ?? null;
      const answer = await route.answer({ params, query, body, headers, identity, signal: signalOf(reply) }, deps);
      return send(answer, request, reply);
    },
  });
}

/** One line for each command that was let in, also when the caller did not wait for the answer (499). */
function logWhenDone(log: Logger, request: FastifyRequest, reply: FastifyReply, identity: Identity | null): void {
  const { method, url } = request;
  const startMs = monotonicMs();
  reply.raw.once('close', () => {
    const status = reply.raw.writableFinished ? reply.statusCode : 499;
    const durationMs = Number((monotonicMs() - startMs).toFixed(3));
    const call = { actor: identity?.actor ?? null, method, path: pathOf(url), status, durationMs };
    log.info({ event: 'admin.call', ...call }, `${method} ${call.path}`);
  });
}

function send(answer: Answer, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (answer.kind === 'json') {
    return reply
      .code(answer.status)
      .headers(answer.headers ?? {})
      .type('application/json; charset=utf-8')
      .send(answer.value);
  }
  if (answer.kind === 'text') {
    return reply
      .code(answer.status)
      .headers(answer.headers ?? {})
      .type(answer.contentType)
      .send(answer.text);
  }
  reply.headers(answer.headers);
  if (request.method === 'HEAD') return reply.send('');
  reply.hijack();
  reply.raw.writeHead(200, reply.getHeaders() as Record<string, string>);
  answer.open(reply.raw);
  return reply;
}

/**
 * A signal for each call, aborted when its caller has left or the server closes. `AbortSignal.any` would tie every call
 * there ever was to the one signal that lives as long as the server.
 */
function createCallSignals(closing: AbortSignal): (reply: FastifyReply) => AbortSignal {
  const open = new Set<AbortController>();
  closing.addEventListener('abort', () => {
    for (const call of open) call.abort();
  });
  return (reply) => {
    const call = new AbortController();
    open.add(call);
    reply.raw.once('close', () => {
      open.delete(call);
      call.abort();
    });
    if (closing.aborted) call.abort();
    return call.signal;
  };
}

/** What to answer where no call is; strangers are refused before they learn which paths there are. */
function notFound({ access, routes }: HttpOptions, request: FastifyRequest, reply: FastifyReply): TealgateError {
  access.admit(request.raw, 'viewer');
  const path = pathOf(request.url);
  const methods = routes.filter((route) => matches(route.path, path)).map(({ method }) => method);
  if (methods.length === 0) return new TealgateError('not_found', `there is nothing at ${path}; see /openapi.json`);
  const allowed = [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
  reply.header('allow', allowed.join(', '));
  return new TealgateError('method_not_allowed', `${path} answers to ${allowed.join(', ')}`);
}

function matches(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')];
  return wanted.length === given.length && wanted.every((part, i) => part.startsWith('{') || part === given[i]);
}

function sendError(
  { log, closing }: HttpOptions,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
): FastifyReply {
  // The caller has left: what it waited for failed with the abort, and nobody is there to be told.
  if (request.raw.socket.destroyed) return reply.hijack();
  const error =
    closing.aborted && !(thrown instanceof TealgateError) ? shuttingDown(thrown) : fromFrameworkError(thrown);
  const path = pathOf(request.url);
  const { method, ip: remote } = request;
  if (error.status >= 500) log.error({ event: 'admin.failed', method, path, err: error }, error.message);
  else if (error.status === 401 || error.status === 403) {
    log.warn({ event: 'admin.refused', method, path, remote, status: error.status }, error.message);
  }
  if (error.status === 401) reply.header('www-authenticate', 'Bearer realm="tealgate"');
  if (error.status === 413) reply.header('connection', 'close');
  return reply
    .code(error.status)
    .headers(RESPONSE_HEADERS)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(toProblem(error, path)));
}

function shuttingDown(cause: unknown): TealgateError {
  return new TealgateError('unavailable', 'the gate is shutting down', { cause });
}

/** A request that the parser could not read, or that came too slowly: answered where an answer still fits. */
function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = BROKEN_STATUS[error.code ?? ''] ?? 400;
  const detail = status === 408 ? 'the request took too long' : 'the request is not valid HTTP';
  const problem = { ...toProblem(new TealgateError('bad_request', detail)), status, title: BROKEN_TITLE[status] };
  const body = JSON.stringify(problem);
  const head = `HTTP/1.1 ${status} ${BROKEN_TITLE[status]}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body);
}

const BROKEN_STATUS: Readonly<Record<string, number>> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 };
const BROKEN_TITLE: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}
