import type { ServiceConfig } from '../../config/config.ts';
import type { DesiredService, DesiredState } from '../desired.ts';
import type { Weights } from './equal.ts';

/** What holds for a service: the file with the run-time changes laid over it. */
export interface EffectiveService {
  readonly stable: string;
  readonly upstreams: Readonly<Record<string, EffectiveUpstream>>;
}

export interface EffectiveUpstream {
  readonly weight: number;
  readonly admin: 'enabled' | 'draining';
  /** ms since the Unix epoch; null unless draining. */
  readonly drainingSinceAt: number | null;
  readonly pinEpoch: number;
  readonly targets: readonly string[];
}

const UNTOUCHED: DesiredService = {
  weights: null,
  stable: null,
  targets: {},
  draining: {},
  pinEpochs: {},
  rollouts: [],
};

/** The run-time changes of a service; an untouched one when there are none. */
export function desiredService(desired: DesiredState, service: string): DesiredService {
  return own(desired.services, service) ?? UNTOUCHED;
}

export function withService(desired: DesiredState, service: string, next: DesiredService): DesiredState {
  return { ...desired, services: { ...desired.services, [service]: next } };
}

/** `desired` must have been reconciled with `config`, so that no override is stale. */
export function effectiveService(config: ServiceConfig, desired: DesiredService): EffectiveService {
  const upstreams: Record<string, EffectiveUpstream> = {};
  for (const [name, upstream] of Object.entries(config.upstreams)) {
    const draining = own(desired.draining, name);
    upstreams[name] = {
      weight: (desired.weights === null ? upstream.weight : own(desired.weights.value, name)) ?? 0,
      admin: draining === undefined ? 'enabled' : 'draining',
      drainingSinceAt: draining?.sinceAt ?? null,
      pinEpoch: own(desired.pinEpochs, name) ?? 0,
      targets: own(desired.targets, name)?.value ?? upstream.targets,
    };
  }
  return { stable: desired.stable?.value ?? config.stable, upstreams };
}

export function weightsOf(upstreams: Readonly<Record<string, { readonly weight: number }>>): Weights {
  return Object.fromEntries(Object.entries(upstreams).map(([name, upstream]) => [name, upstream.weight]));
}

/** New requests may go there, as far as is decided. */
export function takesTraffic({ weight, admin, targets }: EffectiveUpstream): boolean {
  return weight > 0 && admin === 'enabled' && targets.length > 0;
}

/** Reads a map by a name that came from outside: never finds what the object inherits. */
export function own<T>(map: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(map, name) ? map[name] : undefined;
}
