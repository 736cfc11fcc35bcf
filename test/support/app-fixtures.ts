import type { DesiredService, DesiredState } from '../../src/app/desired.ts';
import type { Config, OutliersConfig, ServiceConfig, UpstreamConfig } from '../../src/config/config.ts';
import type { Clock } from '../../src/platform/clock.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';
import type { Rollout } from '../../src/rollout/rollout.ts';
import { ERROR_RATE } from './guards.ts';

export const BLUE = 'http://127.0.0.1:3001';
export const GREEN = 'http://127.0.0.1:4001';

/** As it is by default. */
export const OUTLIERS: OutliersConfig = {
  consecutive: 5,
  share: 0.85,
  minRequests: 50,
  windowMs: 10_000,
  ejectionMs: 30_000,
  maxEjectionMs: 300_000,
  maxEjected: 0.5,
  panic: 0.5,
  dryRun: false,
};

/** A service of a configuration with everything filled in; blue has all traffic. */
export function serviceConfig(given: Partial<ServiceConfig> = {}): ServiceConfig {
  return {
    name: 'shop',
    hosts: [],
    paths: ['/'],
    upstreams: { blue: { weight: 100, targets: [BLUE] }, green: { weight: 0, targets: [GREEN] } },
    stable: 'blue',
    health: null,
    pins: { by: 'none' },
    drain: { timeoutMs: 30_000 },
    timeouts: { connectMs: 2000, responseMs: 30_000, idleMs: 4000 },
    retries: { attempts: 2, budget: 0.2 },
    outliers: OUTLIERS,
    slowStartMs: 0,
    limits: { inFlightPerTarget: null, queue: 100, queueTimeoutMs: 1000 },
    tls: TRUST_SYSTEM,
    expose: false,
    preview: null,
    business: null,
    rollout: {
      strategy: 'canary',
      smoke: [],
      stages: [{ weight: 20, holdMs: 60_000 }],
      guards: [ERROR_RATE],
    },
    ...given,
  };
}

export function upstreams(weights: Record<string, number>): Record<string, UpstreamConfig> {
  const targets: Record<string, readonly string[]> = { blue: [BLUE], green: [GREEN] };
  return Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => [name, { weight, targets: targets[name] ?? [] }]),
  );
}

export function configOf(...services: ServiceConfig[]): Config {
  return {
    listeners: [],
    admin: { address: { kind: 'tcp', host: '127.0.0.1', port: 0 }, tokens: [], hosts: [], externalUrl: null },
    store: { path: ':memory:' },
    workers: 1,
    accessLog: false,
    groups: {},
    shutdown: { readinessDelayMs: 0, drainTimeoutMs: 1000, closeSpreadMs: 1000 },
    prometheus: {},
    webhooks: {},
    notifications: [],
    services: Object.fromEntries(services.map((service) => [service.name, service])),
  };
}

export const UNTOUCHED: DesiredService = {
  weights: null,
  stable: null,
  targets: {},
  draining: {},
  pinEpochs: {},
  rollouts: [],
};

export function desiredOf(services: Record<string, DesiredService>): DesiredState {
  return { format: 1, services, pinKeys: [{ id: 'k1', secret: 'c2VjcmV0' }] };
}

export function rolloutAt(position: Rollout['position'], given: Partial<Rollout> = {}): Rollout {
  return {
    id: 'r1',
    service: 'shop',
    from: 'blue',
    to: 'green',
    plan: serviceConfig().rollout,
    actor: 'ci',
    startedAt: 1,
    position,
    counts: { candidate: { trials: 0, errors: 0 }, stable: { trials: 0, errors: 0 } },
    guards: [],
    guardStates: {},
    transitions: [],
    ...given,
  };
}

/** A clock that stands still until it is moved. */
export interface ManualClock extends Clock {
  advance(ms: number): void;
}

export function manualClock(startMs = 1000): ManualClock {
  let nowMs = startMs;
  return {
    monotonicMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}
