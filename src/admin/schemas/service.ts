import { z } from 'zod';
import type { ConfigStatus, Overview, ServiceView } from '../../app/control-plane.ts';
import { OUTCOMES } from '../../traffic/ledger.ts';
import { rolloutSchema } from './rollout.ts';

const count = z.number().min(0);
const latency = z.strictObject({ p50: z.number(), p99: z.number() });
const at = z.number().describe('Milliseconds since the Unix epoch.');

const probe = z
  .strictObject({
    at,
    ok: z.boolean(),
    status: z.int().nullable(),
    durationMs: z.number(),
    detail: z.string(),
  })
  .meta({ id: 'ProbeResult' });

const target = z
  .strictObject({
    url: z.string(),
    health: z.enum(['trusted', 'unknown', 'healthy', 'unhealthy']).describe('Observed.'),
    admin: z.enum(['enabled', 'draining', 'removed']).describe('Decided.'),
    ejection: z.strictObject({ ejected: z.boolean(), untilAt: at.nullable() }),
    inFlight: count,
    upgrades: count,
    connections: count,
    attempts: count,
    failures: count,
    probes: z.array(probe).describe('Newest first.'),
  })
  .meta({ id: 'Target' });

const upstream = z
  .strictObject({
    name: z.string(),
    role: z
      .enum(['stable', 'candidate', 'idle'])
      .describe('`candidate`: of a rollout under way; `idle`: neither, also with a weight set by hand.'),
    weight: z.int().min(0),
    admin: z.enum(['enabled', 'draining']),
    drain: z.strictObject({ sinceAt: at, deadlineAt: at, drained: z.boolean() }).nullable(),
    warm: z
      .strictObject({ sinceAt: at, leftMs: count })
      .exactOptional()
      .describe('Kept to return to after a promotion; it drains when nothing is left.'),
    inFlight: count,
    upgrades: count,
    pins: count,
    requests: count,
    trials: count,
    errors: count,
    retries: count,
    latencyMs: latency.describe('Of all requests since the start.'),
    recentLatencyMs: latency.nullable().describe('Of the requests of the last minute; null without any.'),
    targets: z.array(target),
  })
  .meta({ id: 'Upstream' });

const ledger = z
  .strictObject({
    accepted: count,
    inFlight: count.describe('accepted minus the sum of outcomes.'),
    outcomes: z.record(z.enum(OUTCOMES), count),
  })
  .meta({ id: 'Ledger' });

export const serviceSchema = z
  .strictObject({
    name: z.string(),
    version: z.int().describe('Snapshot version of the last change of this service: its ETag.'),
    hosts: z.array(z.string()),
    paths: z.array(z.string()),
    stable: z.string(),
    upstreams: z.record(z.string(), upstream),
    rollout: rolloutSchema.nullable().describe('The newest, running or ended.'),
    rollouts: z.array(rolloutSchema),
    ledger,
    overrides: z.array(z.string()).describe('Fields where a run-time change holds against the configuration file.'),
  })
  .meta({ id: 'Service' }) satisfies z.ZodType<ServiceView>;

export const configStatusSchema = z
  .strictObject({
    path: z.string(),
    lastReloadSuccessful: z.boolean(),
    loadedAt: at,
    errors: z.array(z.string()),
    changes: z.array(z.string()),
  })
  .meta({ id: 'ConfigStatus' }) satisfies z.ZodType<ConfigStatus>;

export const overviewSchema = z
  .strictObject({
    version: z.int().describe('Version of the routing snapshot.'),
    startedAt: at,
    workers: z.array(
      z.strictObject({
        index: z.int(),
        state: z.enum(['starting', 'serving', 'restarting']),
        restarts: z.int(),
      }),
    ),
    config: configStatusSchema,
    unrouted: ledger.describe('Requests that never reached a service.'),
    services: z.record(z.string(), serviceSchema),
  })
  .meta({ id: 'Overview' }) satisfies z.ZodType<Overview>;

export const appliedAnswer = z
  .strictObject({
    version: z.int().describe('The snapshot version that every worker now serves.'),
    weights: z.record(z.string(), z.int()).describe('Shares of new traffic as they are now.'),
    stable: z.string(),
    drained: z.boolean().exactOptional().describe('With ?wait=drained: nothing is left on the draining upstreams.'),
    service: serviceSchema,
  })
  .meta({ id: 'Applied' });

export const businessAnswer = z
  .strictObject({ upstream: z.string(), event: z.string(), count: z.int().min(0), of: z.int().min(0) })
  .meta({ id: 'BusinessTotals' });
