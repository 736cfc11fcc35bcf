import type { ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Command, ControlPlane } from '../app/control-plane.ts';
import { readBody } from '../config/body.ts';
import type { Role } from '../config/config.ts';
import type { Identity } from './auth.ts';
import { commandOf } from './precondition.ts';
import type { RecentEvents } from './recent-events.ts';
import type { RefusalLimit } from './refusal-limit.ts';
import type { TrafficSamples } from './traffic-samples.ts';

export type Method = 'GET' | 'POST' | 'PUT';

/**
 * `probe`: anybody, under any `Host`. `page`: a browser without a token is let in, and shown nothing. `link`: whoever has
 * a link that we signed, which the call itself verifies.
 */
export type Access = 'probe' | 'page' | 'link' | Role;

/** One call of the admin API: what serves it, what documents it and what checks it come from here. */
export interface Route {
  readonly method: Method;
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly operationId: string;
  readonly tag:
    | 'process'
    | 'services'
    | 'rollouts'
    | 'groups'
    | 'notifications'
    | 'configuration'
    | 'events'
    | 'dashboard';
  readonly summary: string;
  readonly access: Access;
  readonly params: z.ZodObject | null;
  readonly query: z.ZodObject | null;
  readonly body: z.ZodType | null;
  /** Header fields it reads, for the document. */
  readonly headers: readonly HeaderSpec[];
  readonly success: SuccessSpec;
  /** Statuses of refusals besides those that any call may have. */
  readonly errors: readonly number[];
  /** Those of them that a browser is shown as a page, unless the request did not come as far as the call itself. */
  readonly errorPages: readonly number[];
  /** Checks the request against the schemas, then answers. Throws TealgateError. */
  answer(request: RouteRequest, deps: RouteDeps): Promise<Answer> | Answer;
}

export interface HeaderSpec {
  readonly name: string;
  readonly description: string;
}

export interface SuccessSpec {
  readonly status: number;
  readonly description: string;
  /** null for what is not JSON. */
  readonly schema: z.ZodType | null;
  readonly contentType?: string;
}

/** A request as it came, with its caller known. */
export interface RouteRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** null only where `access` lets anybody in. */
  readonly identity: Identity | null;
  /** Aborted when the caller has left or the server closes. */
  readonly signal: AbortSignal;
}

/** What the calls work on. */
export interface RouteDeps {
  readonly control: ControlPlane;
  readonly metrics: { render(): Promise<{ readonly body: string; readonly contentType: string }> };
  readonly recent: RecentEvents;
  readonly samples: TrafficSamples;
  /** Of signed links. */
  readonly refusals: RefusalLimit;
}

export type Answer =
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown; readonly headers?: Headers }
  | {
      readonly kind: 'text';
      readonly status: number;
      readonly text: string;
      readonly contentType: string;
      readonly headers?: Headers;
    }
  /** Takes over the response: the head, the body and its end. */
  | { readonly kind: 'stream'; readonly headers: Headers; open(response: ServerResponse): void };

type Headers = Readonly<Record<string, string>>;

/** What a call is given once its request has been checked. */
export interface Call<P, Q, B> extends RouteDeps {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  readonly headers: RouteRequest['headers'];
  readonly identity: Identity | null;
  readonly signal: AbortSignal;
  /** For a command to a service: who, and the version that `If-Match` names. Throws `precondition_failed`. */
  command(service: string): Command;
}

interface Spec<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>
  extends Pick<Route, 'method' | 'path' | 'operationId' | 'tag' | 'summary' | 'access' | 'success'> {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly headers?: readonly HeaderSpec[];
  readonly errors?: readonly number[];
  readonly errorPages?: readonly number[];
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer> | Answer;
}

/** Binds a call's schemas to its handler, so that the handler is typed by them and the table needs no type parameters. */
export function route<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodType>(spec: Spec<P, Q, B>): Route {
  const {
    params = null,
    query = null,
    body = null,
    headers = [],
    errors = [],
    errorPages = [],
    handle,
    ...rest
  } = spec;
  return {
    ...rest,
    params,
    query,
    body,
    headers,
    errors,
    errorPages,
    answer: (request, deps) =>
      handle({
        ...deps,
        params: check(params, request.params, 'the path'),
        query: check(query, request.query, 'the query'),
        body: check(body, request.body, 'the body'),
        headers: request.headers,
        identity: request.identity,
        signal: request.signal,
        command: (service) => commandOf(request, () => deps.control.service(service).version),
      }),
  };
}

export function json(value: unknown, status = 200, headers: Headers = {}): Answer {
  return { kind: 'json', status, value, headers };
}

function check<T extends z.ZodType>(schema: T | null, value: unknown, what: string): z.output<T> {
  // A call without a schema has no type for it either: its handler sees `unknown`.
  if (schema === null) return undefined as z.output<T>;
  return readBody(schema, value, what);
}
