import type { TargetTls } from '../platform/tls.ts';
import type { Gate } from './gate-schema.ts';
import type { Guard, NoGuard } from './guards/guard.ts';

export type { Guard } from './guards/guard.ts';

/** The configuration after parsing: defaults filled in, durations in milliseconds, sizes in bytes, shares 0 to 1. */
export interface Config {
  readonly listeners: readonly ListenerConfig[];
  readonly admin: AdminConfig;
  /** `:memory:` for none. */
  readonly store: { readonly path: string };
  /** Worker threads; `auto` in the file becomes the number of cores. */
  readonly workers: number;
  /** Access log lines on stdout; default true. */
  readonly accessLog: boolean;
  /** What happens on SIGTERM, in order. `readinessDelay`: /readyz fails this long before listeners close (default 0). */
  readonly shutdown: {
    readonly readinessDelayMs: number;
    readonly drainTimeoutMs: number;
    readonly closeSpreadMs: number;
  };
  /** Whom metric guards ask, by name. */
  readonly prometheus: Readonly<Record<string, PrometheusConfig>>;
  /** Whom guards and gates ask and notifications are sent to, by name. */
  readonly webhooks: Readonly<Record<string, WebhookConfig>>;
  readonly notifications: readonly NotificationConfig[];
  readonly services: Readonly<Record<string, ServiceConfig>>;
  /** Services that are released as one. */
  readonly groups: Readonly<Record<string, GroupConfig>>;
}

export interface GroupConfig {
  /** Two at least, each of them configured. */
  readonly services: readonly string[];
}

export interface PrometheusConfig {
  readonly url: string;
  /** The `Authorization` field; null for none. A secret. */
  readonly authorization: string | null;
  /** For `https:`. */
  readonly tls: TargetTls;
}

export interface WebhookConfig {
  /** A secret, too: those of chat services let anybody post. */
  readonly url: string;
  /** Signs what is sent, see platform/standard-webhooks.ts; null: nothing does. */
  readonly secret: string | null;
  readonly timeoutMs: number;
  /** Of a notification, before it is a dead letter. */
  readonly attempts: number;
  readonly backoffMs: number;
  /** For `https:`. */
  readonly tls: TargetTls;
}

export interface NotificationConfig {
  /** A name of `webhooks`. */
  readonly webhook: string;
  readonly format: 'json' | 'slack';
  /** Types of events; one that ends with `*` stands for all that begin so. */
  readonly events: readonly string[];
  /** Null for all. */
  readonly services: readonly string[] | null;
  readonly links: readonly ('promote' | 'abort')[];
  readonly linkLifetimeMs: number;
}

export interface ListenerConfig {
  /** `host:port`, `[v6]:port`; port 0 takes a free one. */
  readonly host: string;
  readonly port: number;
  readonly trustedProxies: readonly string[];
  readonly proxyProtocol: 'off' | 'optional' | 'required';
  readonly timeouts: { readonly headMs: number; readonly bodyMs: number; readonly keepAliveMs: number };
  readonly limits: {
    readonly headBytes: number;
    readonly fields: number;
    readonly bodyBytes: number;
    readonly connections: number;
    /** Requests at once on one HTTP/2 connection. */
    readonly streams: number;
  };
  /** Null for plain HTTP. */
  readonly tls: TlsConfig | null;
  /** Clients may speak HTTP/2. */
  readonly http2: boolean;
}

export interface TlsConfig {
  /** One at least; the first is for clients that ask for no name, or for one that no certificate has. */
  readonly certificates: readonly CertificateConfig[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

/** A certificate as its files had it when they were read. */
export interface CertificateConfig {
  /** Absolute path of the certificate. */
  readonly file: string;
  /** PEM: the certificate, then its intermediates. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** Host names of its subject alternative names, in lower case; `*.` for any first label. */
  readonly names: readonly string[];
  /** SHA-256 of the certificate, as hexadecimal pairs. */
  readonly fingerprint: string;
  /** ms since the Unix epoch. */
  readonly expiresAt: number;
}

export type Role = 'viewer' | 'operator';

export interface AdminConfig {
  /** A TCP address or a unix socket (`unix:/path`). */
  readonly address:
    | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
    | { readonly kind: 'unix'; readonly path: string };
  readonly tokens: readonly { readonly name: string; readonly token: string; readonly role: Role }[];
  /** Further `Host` names that the admin endpoint answers to (an ingress name), besides its address and localhost. */
  readonly hosts: readonly string[];
  /** Scheme and host under which browsers reach the admin endpoint; null when nobody said. */
  readonly externalUrl: string | null;
}

export interface ServiceConfig {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly upstreams: Readonly<Record<string, UpstreamConfig>>;
  readonly stable: string;
  readonly health: HealthConfig | null;
  readonly pins: PinsConfig;
  readonly drain: { readonly timeoutMs: number };
  readonly timeouts: { readonly connectMs: number; readonly responseMs: number; readonly idleMs: number };
  readonly retries: { readonly attempts: number; readonly budget: number };
  /** Null: no target is ever ejected. */
  readonly outliers: OutliersConfig | null;
  /** `inFlightPerTarget`: over all workers; null for none. `queue`: most that wait for a place, by upstream. */
  readonly limits: {
    readonly inFlightPerTarget: number | null;
    readonly queue: number;
    readonly queueTimeoutMs: number;
  };
  /** How long a target that comes back gets less than its share; 0: not at all. */
  readonly slowStartMs: number;
  /** For `https:` and `h2:` targets. */
  readonly tls: TargetTls;
  readonly expose: boolean;
  /** How a request asks for an upstream by itself; null: it cannot. */
  readonly preview: PreviewConfig | null;
  /** In which response field (lower case) targets report business events, and whether clients see it; null: in none. */
  readonly business: { readonly header: string; readonly forward: boolean } | null;
  /** The default plan; a started rollout may override any key of it. */
  readonly rollout: RolloutPlan;
}

/** See traffic/snapshot.ts `PreviewRoute`. */
export interface PreviewConfig {
  readonly hosts: readonly string[];
  readonly header: PreviewKeyConfig | null;
  readonly cookie: PreviewKeyConfig | null;
}

export interface PreviewKeyConfig {
  readonly name: string;
  readonly value: string | null;
}

export interface UpstreamConfig {
  readonly weight: number;
  /** `http://host:port`, `https:`, `h2c:` or `h2:`, no path, no credentials. */
  readonly targets: readonly string[];
}

export interface HealthConfig {
  readonly ask: HealthQuestion;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly rise: number;
  readonly fall: number;
  /** Failures of a new target do not count this long. */
  readonly graceMs: number;
}

/** What a target is asked, and by that which answer is a good one. */
export type HealthQuestion =
  /** `status`: accepted codes; default 200 to 399. */
  | { readonly kind: 'http'; readonly path: string; readonly status: { readonly min: number; readonly max: number } }
  /** Its gRPC health service, about a service; empty: about the server as a whole. */
  | { readonly kind: 'grpc'; readonly service: string };

/** When targets that fail requests are ejected; see traffic/outliers.ts for what each means. Shares 0 to 1. */
export interface OutliersConfig {
  readonly consecutive: number;
  readonly share: number | null;
  readonly minRequests: number;
  readonly windowMs: number;
  readonly ejectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjected: number;
  readonly panic: number;
  readonly dryRun: boolean;
}

export type PinsConfig =
  | { readonly by: 'none' }
  | { readonly by: 'ip' }
  | { readonly by: 'header'; readonly header: string }
  | { readonly by: 'cookie'; readonly name: string; readonly maxAgeS: number };

/** What happens when a rollout cannot simply go on. Absent is the default, as in what older versions stored. */
export interface RolloutPolicies {
  /** A guard is still inconclusive at the end of a stage. Absent: the next stage begins all the same. */
  readonly onInconclusive?: 'pause';
  /** How much longer than its hold a stage waits for inconclusive guards. Absent: not at all. */
  readonly extendMs?: number;
  /** The candidate got no request during the hold of a stage. Absent: the next stage begins all the same. */
  readonly onNoTraffic?: 'hold' | 'rollback';
  /** The longest that it waits in one place. Absent: for ever. */
  readonly deadlineMs?: number;
  /** Absent: it is aborted. */
  readonly onDeadline?: 'rollback' | 'promote';
  /** How long the old side stays as it is after a promotion. Absent: it drains at once. */
  readonly keepWarmMs?: number;
  /** How long the weights take to return to stable. Absent: no time. */
  readonly rampMs?: number;
}

export interface RolloutPlan extends RolloutPolicies {
  readonly strategy: 'canary' | 'blue-green' | 'shadow';
  readonly smoke: readonly SmokeRequest[];
  /**
   * `canary`: as configured. `blue-green`: one stage of weight 100 held for `watch`; `shadow`: one of weight 0 with
   * copies, so that all strategies are the same machine.
   */
  readonly stages: readonly Stage[];
  /** Of every stage that does not say otherwise; see `guardsOf`. */
  readonly guards: readonly Guard[];
  /** Absent: the defaults, where a stage copies at all. */
  readonly mirror?: MirrorPlan;
}

/** How requests that stable answers are copied to the candidate; see traffic/snapshot.ts `MirrorRoute`. */
export interface MirrorPlan {
  /** Of a shadow rollout, 0 to 1. */
  readonly share: number;
  readonly methods: readonly string[];
  readonly requestBytes: number;
  /** Null: responses are not compared. */
  readonly compare: {
    readonly headers: readonly string[];
    readonly ignore: readonly string[];
    readonly bodyBytes: number;
  } | null;
}

export interface Stage {
  /** The candidate's share of new traffic, 0 to 100; stable has the rest. */
  readonly weight: number;
  /** Share of stable's requests that are copied to the candidate, 0 to 1; absent: none. */
  readonly mirror?: number;
  readonly holdMs: number;
  /** Attempts on the candidate that the stage needs besides; absent: none. */
  readonly minRequests?: number;
  /** What must be so before this stage begins; the rollout is paused until then. Absent: nothing. */
  readonly gate?: Gate;
  /** Instead of that of the plan. */
  readonly extendMs?: number;
  /** What this stage adds to the plan's guards, replaces (by name) or turns off; absent: nothing. */
  readonly guards?: readonly (Guard | NoGuard)[];
}

export interface SmokeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly expect: { readonly status: number; readonly bodyIncludes: string | null };
  readonly timeoutMs: number;
}
