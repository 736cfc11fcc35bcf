import { type TargetTls, TRUST_SYSTEM } from '../../src/platform/tls.ts';
import type { ListenerOptions } from '../../src/proxy/messages.ts';
import { createBlock, SERVICE, SLOT, SLOTS, TARGET, UPSTREAM } from '../../src/traffic/ledger.ts';
import type {
  CountingRule,
  Fuse,
  MirrorRoute,
  PinPolicy,
  PreviewRoute,
  RoutingSnapshot,
  ServiceRoute,
  TargetRoute,
  UpstreamRoute,
} from '../../src/traffic/snapshot.ts';

/** What a test says about an upstream; `targets` are ports on 127.0.0.1. */
export interface UpstreamSpec {
  readonly weight?: number;
  readonly targets: readonly number[];
  readonly admin?: 'enabled' | 'draining';
  readonly pinEpoch?: number;
  /** Ports whose target is not eligible. */
  readonly ineligible?: readonly number[];
  /** By port; `monotonicMs`. */
  readonly warm?: Readonly<Record<number, TargetRoute['warm']>>;
  /** Its targets are spoken to over TLS. */
  readonly secure?: boolean;
  /** Its targets are spoken to by HTTP/2. */
  readonly http2?: boolean;
  /** Set on all targets while their upstream drains; `monotonicMs`. */
  readonly closing?: TargetRoute['closing'];
  /** Its service has counting rules. */
  readonly counts?: boolean;
}

export interface ServiceSpec {
  readonly hosts?: readonly string[];
  readonly paths?: readonly string[];
  readonly upstreams: Readonly<Record<string, UpstreamSpec>>;
  readonly stable?: string;
  readonly candidate?: string | null;
  /** Of the buckets, and what tells one rollout from another; default the service's name. */
  readonly salt?: string;
  readonly pins?: PinPolicy;
  readonly timeouts?: Partial<ServiceRoute['timeouts']>;
  readonly retries?: Partial<ServiceRoute['retries']>;
  readonly limits?: ServiceRoute['limits'];
  /** Failures in a row that make a run; default 5. */
  readonly streakLimit?: number;
  readonly tls?: Partial<TargetTls>;
  readonly expose?: boolean;
  readonly preview?: PreviewRoute;
  readonly mirror?: MirrorRoute;
  readonly fuse?: Fuse | null;
  readonly counting?: readonly CountingRule[];
  readonly business?: ServiceRoute['business'];
}

/** Short, so that a test of a timeout takes about as long as that. */
export const TEST_TIMEOUTS = { connectMs: 1_000, responseMs: 2_000, idleMs: 4_000 } as const;

export const TEST_LISTENER: ListenerOptions = {
  id: 1,
  host: '127.0.0.1',
  port: 0,
  timeouts: { headMs: 2_000, bodyMs: 2_000, keepAliveMs: 8_000 },
  limits: { headBytes: 16 * 1024, fields: 100, bodyBytes: Number.POSITIVE_INFINITY, connections: 10_000 },
  trustedProxies: [],
};

/**
 * Writes routing snapshots by hand, as the control plane would: ids are unique and kept by name, and so are the ledger
 * blocks, so that successive snapshots speak of the same things.
 */
export class Routes {
  readonly #workers: number;
  readonly #blocks = new Map<string, { readonly id: number; readonly ledger: SharedArrayBuffer }>();
  #nextId = 1;
  #version = 0;

  constructor(workers = 1) {
    this.#workers = workers;
  }

  snapshot(services: Readonly<Record<string, ServiceSpec>>, retired: readonly TargetRoute[] = []): RoutingSnapshot {
    const routes = Object.entries(services).map(([name, spec]) => this.#service(name, spec));
    return { version: ++this.#version, services: routes, retired };
  }

  #service(name: string, spec: ServiceSpec): ServiceRoute {
    const upstreams = Object.entries(spec.upstreams).map(([upstream, of]) =>
      this.#upstream(`${name}/${upstream}`, upstream, { ...of, counts: spec.counting !== undefined }),
    );
    return {
      ...this.#identity(name, SERVICE.size),
      name,
      hosts: spec.hosts ?? [],
      paths: spec.paths ?? ['/'],
      upstreams,
      stable: spec.stable ?? upstreams[0]?.name ?? '',
      candidate: spec.candidate ?? null,
      salt: spec.salt ?? name,
      pins: spec.pins ?? { by: 'none' },
      timeouts: { ...TEST_TIMEOUTS, ...spec.timeouts },
      retries: { attempts: 2, budget: 0.2, ...spec.retries },
      limits: spec.limits ?? null,
      streakLimit: spec.streakLimit ?? 5,
      ...(spec.tls === undefined ? {} : { tls: { ...TRUST_SYSTEM, ...spec.tls } }),
      expose: spec.expose ?? false,
      ...(spec.preview === undefined ? {} : { preview: spec.preview }),
      ...(spec.mirror === undefined ? {} : { mirror: spec.mirror }),
      fuse: spec.fuse ?? null,
      ...(spec.counting === undefined ? {} : { counting: spec.counting }),
      ...(spec.business === undefined ? {} : { business: spec.business }),
    };
  }

  #upstream(path: string, name: string, spec: UpstreamSpec): UpstreamRoute {
    return {
      ...this.#identity(path, UPSTREAM.size),
      name,
      weight: spec.weight ?? 100,
      admin: spec.admin ?? 'enabled',
      pinEpoch: spec.pinEpoch ?? 0,
      targets: spec.targets.map((port) => this.#target(path, port, spec)),
      ...(spec.counts === true ? { slots: this.#identity(`${path} slots`, SLOTS * SLOT.size).ledger } : {}),
    };
  }

  #target(path: string, port: number, spec: UpstreamSpec): TargetRoute {
    return {
      ...this.#identity(`${path}/${port}/${schemeOf(spec)}`, TARGET.size),
      url: `${schemeOf(spec)}://127.0.0.1:${port}`,
      host: '127.0.0.1',
      port,
      eligible: spec.ineligible?.includes(port) !== true,
      warm: spec.warm?.[port] ?? null,
      closing: spec.closing ?? null,
    };
  }

  #identity(key: string, size: number): { readonly id: number; readonly ledger: SharedArrayBuffer } {
    const known = this.#blocks.get(key);
    if (known !== undefined) return known;
    const fresh = { id: this.#nextId++, ledger: createBlock(size, this.#workers) };
    this.#blocks.set(key, fresh);
    return fresh;
  }
}

function schemeOf({ secure = false, http2 = false }: UpstreamSpec): string {
  if (http2) return secure ? 'h2' : 'h2c';
  return secure ? 'https' : 'http';
}
