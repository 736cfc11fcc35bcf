import { z } from 'zod';
import { parseAddress, parseHostName, parseHostPattern, parseNetwork } from './address.ts';
import { notificationsSchema, prometheusServersSchema, webhooksSchema } from './connections-schema.ts';
import { normaliseOrigin } from './endpoint-url.ts';
import { outliersSchema } from './outliers-schema.ts';
import { mistake, type Parsed, quote, value } from './parsed.ts';
import { pinsSchema } from './pins-schema.ts';
import { planSchema } from './plan-schema.ts';
import { previewSchema } from './preview-schema.ts';
import { normaliseTarget } from './target-url.ts';
import { targetTlsSchema, tlsSchema } from './tls-schema.ts';
import { count, duration, headerName, name, object, pathPrefix, percent, requestPath, size, text } from './values.ts';

const listenerSchema = object({
  address: text(parseAddress, { example: '127.0.0.1:8080' }).describe(
    '`host:port`, `[v6]:port`, or `:port` for all IPv4 interfaces; port 0 takes a free one.',
  ),
  tls: tlsSchema
    .optional()
    .describe('HTTP over TLS; without it plain HTTP. Changed files are taken over by themselves.'),
  http2: z
    .boolean()
    .optional()
    .describe(
      'Clients may speak HTTP/2: over TLS where they ask for it, on by default; without TLS by prior knowledge, off by default.',
    ),
  trustedProxies: z
    .array(text(parseNetwork))
    .prefault([])
    .describe('Networks whose `Forwarded` and `X-Forwarded-*` fields are believed.'),
  proxyProtocol: z
    .union([z.boolean(), z.literal('required')], { error: 'give true, false or required' })
    .prefault(false)
    .describe(
      'Trusted proxies may begin a connection with a PROXY protocol header; `required`: no connection without one.',
    ),
  timeouts: object({
    head: duration({ minMs: 1 }).prefault('10s').describe('For a whole request head.'),
    body: duration({ minMs: 1 }).prefault('30s').describe('Without a byte of a request body, or of a response taken.'),
    keepAlive: duration({ minMs: 1 }).prefault('65s').describe('For an idle client connection.'),
  })
    .prefault({})
    .describe('How long clients may take.'),
  limits: object({
    head: size({ minBytes: 1024, maxBytes: 2 ** 20 })
      .prefault('16KiB')
      .describe('Request line and fields together.'),
    fields: count(1, 10_000).prefault(100).describe('Number of request fields.'),
    body: size({ minBytes: 0, maxBytes: Number.POSITIVE_INFINITY })
      .prefault('none')
      .describe('Size of a request body.'),
    connections: count(1, 1_000_000).prefault(10_000).describe('Open client connections, over all workers.'),
    streams: count(1, 10_000).prefault(100).describe('Requests at once on one HTTP/2 connection.'),
  })
    .prefault({})
    .describe('How much clients may send: 413 or 431 beyond it; connections beyond theirs are closed.'),
});

const tokenSchema = object({
  name: name().describe('Who is named in the audit trail.'),
  token: text(parseToken).describe('The secret, at best from a variable or a file; 16 characters or more.'),
  role: z.enum(['viewer', 'operator']).describe('`viewer` reads; `operator` also changes.'),
});

const adminSchema = object({
  address: text(parseAdminAddress).prefault('127.0.0.1:9901').describe('`host:port`, or `unix:PATH` for a socket.'),
  tokens: z
    .array(tokenSchema)
    .prefault([])
    .describe('Bearer tokens. Without any, only a loopback address or a unix socket is allowed.'),
  hosts: z
    .array(text(parseHostName))
    .prefault([])
    .describe('Further `Host` names the admin endpoint answers to, besides its address and localhost.'),
  externalUrl: text(normaliseOrigin, { example: 'https://tealgate.example.com' })
    .optional()
    .describe(
      'How browsers reach the admin endpoint; links in notifications begin with it. Its host is answered to as well.',
    ),
});

/** Accepted where a health check says nothing else. */
export const DEFAULT_HEALTH_STATUS = { min: 200, max: 399 } as const;

const healthSchema = object({
  path: requestPath.optional().describe('What to ask each target for.'),
  grpc: object({
    service: text(parseGrpcService)
      .optional()
      .describe('Whom to ask about, such as `shop.v1.Cart`; default: the server as a whole.'),
  })
    .optional()
    .describe(
      'In place of `path`: asks the gRPC health service (`grpc.health.v1.Health/Check`) of h2c: and h2: targets.',
    ),
  interval: duration({ minMs: 50 }).prefault('2s').describe('From one check to the next.'),
  timeout: duration({ minMs: 1 }).prefault('1s').describe('For a whole answer.'),
  rise: count(1, 100).prefault(2).describe('Passes in a row that make a target healthy.'),
  fall: count(1, 100).prefault(3).describe('Failures in a row that make it unhealthy.'),
  grace: duration().prefault('0s').describe('Failures of a new target do not count this long.'),
  status: z
    .union([count(100, 599), text(parseStatusRange)])
    .optional()
    .describe('With `path`: accepted status codes, `200`, `200-399` or `2xx`; default `200-399`.'),
});

const upstreamSchema = object({
  weight: count(0, 1_000_000).describe('Share of new traffic, proportional to the sum; 0 for none.'),
  targets: z
    .array(text(normaliseTarget))
    .max(1000)
    .describe(
      '`http://host:port` or `https://host:port` each, or by HTTP/2 `h2c://host:port` or `h2://host:port` (TLS); may be empty while the weight is 0.',
    ),
});

const serviceSchema = object({
  hosts: z
    .array(text(parseHostPattern))
    .prefault([])
    .describe('`shop.example.com` or `*.example.com`; leave out for any host.'),
  paths: z
    .array(pathPrefix)
    .min(1)
    .prefault(['/'])
    .describe('Path prefixes, matched on whole segments of the path as it came, not decoded; longest first.'),
  upstreams: z
    .record(name(), upstreamSchema)
    .describe('The versions of the service by name, such as `blue` and `green`.'),
  stable: name().optional().describe('The trusted upstream; by default the one with the largest weight.'),
  health: z
    .union([z.literal('none'), healthSchema], { error: 'give none, or a map with `path`, or `grpc`' })
    .prefault('none')
    .describe('Active checks of every target; `none` trusts every target.'),
  pins: pinsSchema.prefault('none').describe('How a client stays with its upstream.'),
  drain: object({ timeout: duration().prefault('30s').describe('What is left then is cut.') })
    .prefault({})
    .describe('How an upstream that takes no more requests is emptied.'),
  timeouts: object({
    connect: duration({ minMs: 1 }).prefault('2s').describe('For a connection to a target.'),
    response: duration({ minMs: 1 }).prefault('30s').describe('For the head of a response.'),
    idle: duration({ minMs: 1 })
      .prefault('4s')
      .describe(
        'For an idle connection to a target; keep it below the keep-alive timeout of the target. More than 256 of them, by worker, close after 1 to 4 s.',
      ),
  })
    .prefault({})
    .describe('How long targets may take.'),
  retries: object({
    attempts: count(0, 10).prefault(2).describe('Most retries of one request; 0 for none.'),
    budget: percent(() => true, '')
      .prefault('20%')
      .describe('Share of requests that may be retries.'),
  })
    .prefault({})
    .describe('Requests that never reached a target, or may be repeated, are sent again.'),
  outliers: outliersSchema,
  limits: object({
    inFlightPerTarget: z
      .union([z.literal('none'), count(1, 1_000_000)], { error: 'give none, or a whole number from 1' })
      .prefault('none')
      .describe('Most requests on a target at once; shared out among the workers.'),
    queue: count(0, 1_000_000)
      .prefault(100)
      .describe('Most requests that wait for a place on a target, by upstream; more get 503 at once.'),
    queueTimeout: duration({ minMs: 1 }).prefault('1s').describe('How long they wait, before they get 503.'),
  })
    .prefault({})
    .describe('How much targets are given at once.'),
  slowStart: duration()
    .prefault('0s')
    .describe(
      'A target that was unhealthy or ejected gets 10 % of its share at first, growing to all of it this long.',
    ),
  tls: targetTlsSchema.prefault({}).describe('How `https:` and `h2:` targets are verified, and what they are shown.'),
  expose: z.boolean().prefault(false).describe('Adds `x-tealgate-upstream` to responses.'),
  preview: previewSchema
    .prefault('none')
    .describe(
      'How a request reaches the candidate, or any upstream, past pins and weights; such requests judge nobody.',
    ),
  business: z
    .union(
      [
        z.literal('none'),
        object({
          header: headerName.prefault('tealgate-business').describe('The response field, such as `order=1`.'),
          forward: z.boolean().prefault(false).describe('`true` lets clients see it.'),
        }),
      ],
      { error: 'give none, or a map of `header` and `forward`' },
    )
    .prefault('none')
    .describe('Where targets report what happened in the business, for guards of that kind; `none` reads nothing.'),
  rollout: planSchema.prefault({}).describe('The default plan of a rollout; starting one may override any key.'),
});

/** The configuration file. Its output has defaults filled in and units resolved; `build.ts` makes it a `Config`. */
export const configSchema = object({
  listeners: z
    .array(listenerSchema)
    .min(1)
    .max(100)
    .prefault([{ address: '127.0.0.1:8080' }])
    .describe('Where clients connect.'),
  admin: adminSchema.prefault({}).describe('The admin API, metrics and dashboard.'),
  store: object({
    path: text((raw) => (raw === '' ? mistake('is empty; write a path, or ":memory:" for none') : value(raw)))
      .prefault('./tealgate.db')
      .describe('SQLite file, relative to this file; `:memory:` keeps nothing over a restart.'),
  })
    .prefault({})
    .describe('Where run-time decisions and rollouts are kept.'),
  workers: z
    .union([z.literal('auto'), count(1, 256)], { error: 'give 1 to 256, or auto' })
    .prefault(1)
    .describe('Worker threads that carry traffic; `auto` is one for each core.'),
  accessLog: z.boolean().prefault(true).describe('One JSON line on stdout for each request.'),
  shutdown: object({
    readinessDelay: duration().prefault('0s').describe('`/readyz` fails this long before listeners close.'),
    drainTimeout: duration().prefault('30s').describe('Requests still in flight then are cut.'),
    closeSpread: duration()
      .prefault('10s')
      .describe('Longest time over which keep-alive clients are let go; few are let go within a second.'),
  })
    .prefault({})
    .describe('What happens on SIGTERM, in this order.'),
  prometheus: prometheusServersSchema,
  webhooks: webhooksSchema,
  notifications: notificationsSchema,
  services: z.record(name(), serviceSchema).describe('The applications whose traffic is managed, by name.'),
  groups: z
    .record(name(), object({ services: z.array(name()).min(2).max(100).describe('Names of services, in order.') }))
    .prefault({})
    .describe('Services that are promoted and rolled back as one, by the name of the group.'),
});

export type Settings = z.output<typeof configSchema>;
export type ServiceSettings = Settings['services'][string];

/** Targets in a body of the admin API: the same rules as in the file. */
export const targetsSchema = upstreamSchema.shape.targets;

type AdminAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

function parseAdminAddress(raw: string): Parsed<AdminAddress> {
  if (raw.startsWith('unix:')) {
    const path = raw.slice('unix:'.length);
    return path === '' ? mistake('names no socket; write unix:/run/tealgate.sock') : value({ kind: 'unix', path });
  }
  const parsed = parseAddress(raw);
  return parsed.ok ? value({ kind: 'tcp', ...parsed.value }) : parsed;
}

/** Never says what the token is. */
function parseToken(raw: string): Parsed<string> {
  if (raw === '') return mistake('is empty; give a secret of 16 characters or more');
  if (!/^[!-~]+$/.test(raw))
    return mistake('has a blank or a character outside ASCII; give a secret of printable ASCII characters');
  return value(raw);
}

/** Full names by convention, but servers may call what they tell of as they like. */
function parseGrpcService(raw: string): Parsed<string> {
  if (raw.length > 255) return mistake('is longer than 255 characters; write the name that the health service knows');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  return /[\u0000-\u001f\u007f]/.test(raw) ? mistake(`${quote(raw)} has a control character; remove it`) : value(raw);
}

function parseStatusRange(raw: string): Parsed<{ min: number; max: number }> {
  const family = /^([1-5])xx$/i.exec(raw)?.[1];
  if (family !== undefined) return value({ min: Number(family) * 100, max: Number(family) * 100 + 99 });
  const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(raw);
  const min = Number(match?.[1]);
  const max = Number(match?.[2] ?? match?.[1]);
  return min <= max
    ? value({ min, max })
    : mistake(`${quote(raw)} is not a range of status codes; write 200, 200-399 or 2xx`);
}
