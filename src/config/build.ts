import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type TargetTls, TRUST_SYSTEM } from '../platform/tls.ts';
import type {
  AdminConfig,
  Config,
  HealthConfig,
  HealthQuestion,
  ListenerConfig,
  ServiceConfig,
  TlsConfig,
  UpstreamConfig,
} from './config.ts';
import { toNotification, toPrometheus, toWebhook } from './connections-schema.ts';
import { toOutliers } from './outliers-schema.ts';
import { DEFAULT_PLAN, mergePlan } from './plan-schema.ts';
import { DEFAULT_HEALTH_STATUS, type ServiceSettings, type Settings } from './schema.ts';

/** Where relative paths are taken from, and what was read of the certificates of each listener and service. */
export interface Surroundings {
  readonly directory: string;
  readonly tls: readonly (TlsConfig | null)[];
  readonly targetTls: ReadonlyMap<string, TargetTls>;
  readonly prometheusTls: ReadonlyMap<string, TargetTls>;
  readonly webhookTls: ReadonlyMap<string, TargetTls>;
}

/** The configuration that valid settings stand for. */
export function buildConfig(settings: Settings, surroundings: Surroundings): Config {
  const { directory, tls, targetTls, prometheusTls, webhookTls } = surroundings;
  return {
    listeners: settings.listeners.map((listener, i) => toListener(listener, tls[i] ?? null)),
    admin: toAdmin(settings.admin, directory),
    store: { path: settings.store.path === ':memory:' ? ':memory:' : resolve(directory, settings.store.path) },
    workers: settings.workers === 'auto' ? availableParallelism() : settings.workers,
    accessLog: settings.accessLog,
    shutdown: {
      readinessDelayMs: settings.shutdown.readinessDelay,
      drainTimeoutMs: settings.shutdown.drainTimeout,
      closeSpreadMs: settings.shutdown.closeSpread,
    },
    prometheus: mapValues(settings.prometheus, (server, name) => toPrometheus(server, prometheusTls.get(name))),
    webhooks: mapValues(settings.webhooks, (webhook, name) => toWebhook(webhook, webhookTls.get(name))),
    notifications: settings.notifications.map(toNotification),
    services: mapValues(settings.services, (service, name) =>
      toService(service, name, targetTls.get(name) ?? TRUST_SYSTEM),
    ),
    groups: mapValues(settings.groups, ({ services }) => ({ services })),
  };
}

function toListener(listener: Settings['listeners'][number], tls: TlsConfig | null): ListenerConfig {
  const { address, http2, trustedProxies, proxyProtocol, timeouts, limits } = listener;
  return {
    host: address.host,
    port: address.port,
    trustedProxies,
    proxyProtocol: proxyProtocol === 'required' ? 'required' : proxyProtocol ? 'optional' : 'off',
    timeouts: { headMs: timeouts.head, bodyMs: timeouts.body, keepAliveMs: timeouts.keepAlive },
    limits: {
      headBytes: limits.head,
      fields: limits.fields,
      bodyBytes: limits.body,
      connections: limits.connections,
      streams: limits.streams,
    },
    tls,
    http2: http2 ?? listener.tls !== undefined,
  };
}

function toAdmin({ address, tokens, hosts, externalUrl }: Settings['admin'], directory: string): AdminConfig {
  return {
    address: address.kind === 'unix' ? { kind: 'unix', path: resolve(directory, address.path) } : address,
    tokens,
    hosts,
    externalUrl: externalUrl ?? null,
  };
}

function toService(service: ServiceSettings, name: string, tls: TargetTls): ServiceConfig {
  const upstreams = mapValues(service.upstreams, ({ weight, targets }): UpstreamConfig => ({ weight, targets }));
  return {
    name,
    hosts: service.hosts,
    paths: service.paths,
    upstreams,
    stable: service.stable ?? heaviest(upstreams),
    health: service.health === 'none' ? null : toHealth(service.health),
    pins: service.pins,
    drain: { timeoutMs: service.drain.timeout },
    timeouts: {
      connectMs: service.timeouts.connect,
      responseMs: service.timeouts.response,
      idleMs: service.timeouts.idle,
    },
    retries: service.retries,
    outliers: toOutliers(service.outliers),
    limits: {
      inFlightPerTarget: service.limits.inFlightPerTarget === 'none' ? null : service.limits.inFlightPerTarget,
      queue: service.limits.queue,
      queueTimeoutMs: service.limits.queueTimeout,
    },
    slowStartMs: service.slowStart,
    tls,
    expose: service.expose,
    preview: service.preview,
    business: service.business === 'none' ? null : service.business,
    rollout: mergePlan(service.rollout, DEFAULT_PLAN),
  };
}

function toHealth(health: Exclude<ServiceSettings['health'], 'none'>): HealthConfig {
  return {
    ask: toQuestion(health),
    intervalMs: health.interval,
    timeoutMs: health.timeout,
    rise: health.rise,
    fall: health.fall,
    graceMs: health.grace,
  };
}

/** Without mistakes there is either a path or gRPC. */
function toQuestion({ path, status, grpc }: Exclude<ServiceSettings['health'], 'none'>): HealthQuestion {
  if (grpc !== undefined) return { kind: 'grpc', service: grpc.service ?? '' };
  const accepted = status ?? DEFAULT_HEALTH_STATUS;
  const range = typeof accepted === 'number' ? { min: accepted, max: accepted } : accepted;
  return { kind: 'http', path: path ?? '/', status: range };
}

/** The upstream with the largest weight, the first of equals. */
function heaviest(upstreams: Readonly<Record<string, UpstreamConfig>>): string {
  return Object.entries(upstreams).reduce((best, entry) => (entry[1].weight > best[1].weight ? entry : best))[0];
}

/** Without a prototype, so that asking for a name such as `constructor` finds nothing that nobody configured. */
function mapValues<In, Out>(
  map: Readonly<Record<string, In>>,
  to: (value: In, key: string) => Out,
): Record<string, Out> {
  const result: Record<string, Out> = Object.create(null);
  for (const [key, value] of Object.entries(map)) result[key] = to(value, key);
  return result;
}
