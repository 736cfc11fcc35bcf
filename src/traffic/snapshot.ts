import type { TargetTls } from '../platform/tls.ts';

/**
 * The routing snapshot: everything a worker needs to decide any request, as plain frozen data that can be sent to a
 * worker thread. The control plane builds it and publishes it whole; a worker never changes it.
 */

export interface RoutingSnapshot {
  /** Grows by one with each publication. */
  readonly version: number;
  readonly services: readonly ServiceRoute[];
  /** Targets that left the configuration but may still have requests in flight. They take nothing new. */
  readonly retired: readonly TargetRoute[];
}

export interface ServiceRoute {
  /** Unique in the life of the process, never reused. */
  readonly id: number;
  readonly name: string;
  /** Lower-case, without port; `*.example.com` matches one or more labels in front; empty: any host. */
  readonly hosts: readonly string[];
  /** Path prefixes, each beginning with `/`; matched on whole segments, longest first. */
  readonly paths: readonly string[];
  readonly upstreams: readonly UpstreamRoute[];
  readonly stable: string;
  /** The upstream under judgement while a rollout runs: shielded, charged, fused. */
  readonly candidate: string | null;
  /** Salt of the buckets: service name and rollout id; so it tells one rollout from another, too. */
  readonly salt: string;
  readonly pins: PinPolicy;
  readonly timeouts: { readonly connectMs: number; readonly responseMs: number; readonly idleMs: number };
  /** `attempts`: most retries of one request. `budget`: share of requests that may be retries, 0 to 1. */
  readonly retries: { readonly attempts: number; readonly budget: number };
  /** Of one worker; null for none. `inFlight`: most requests on a target; `queue`: most that wait for a place. */
  readonly limits: { readonly inFlight: number; readonly queue: number; readonly queueTimeoutMs: number } | null;
  /** Errors in a row of a target that make a run (see ledger.ts `TARGET`); 0: they are not counted. */
  readonly streakLimit: number;
  /** For its `https:` and `h2:` targets; the system's trust when left out. */
  readonly tls?: TargetTls;
  /** Adds `x-tealgate-upstream` to responses. */
  readonly expose: boolean;
  /** How a request asks for an upstream by itself; absent: it cannot. */
  readonly preview?: PreviewRoute;
  /** Copies of what stable answers; absent: none. */
  readonly mirror?: MirrorRoute;
  /** Stops the candidate inside the worker at once, before the control plane has looked. */
  readonly fuse: Fuse | null;
  /** What guards count besides all attempts, each rule in the slot of its place; absent: nothing. */
  readonly counting?: readonly CountingRule[];
  /** In which response field targets report what happened in the business; absent: in none. */
  readonly business?: { readonly header: string; readonly forward: boolean };
  /** Ledger block, see ledger.ts `SERVICE`. */
  readonly ledger: SharedArrayBuffer;
}

/** Requests that ask for an upstream are routed past pins and weights, and judge nobody. */
export interface PreviewRoute {
  /** The upstream that is reached without naming it; null while there is none. */
  readonly candidate: string | null;
  /** Lower-case, without port; these always mean the candidate. */
  readonly hosts: readonly string[];
  readonly header: PreviewKey | null;
  readonly cookie: PreviewKey | null;
}

export interface PreviewKey {
  readonly name: string;
  /** The one value that asks for the candidate; null: the value is an upstream's name, or `candidate`. */
  readonly value: string | null;
}

/** Requests that stable has answered are sent to another upstream as well; its responses go nowhere. */
export interface MirrorRoute {
  /** The upstream that gets the copies. */
  readonly to: string;
  /** Of the requests that can be copied, 0 to 1. */
  readonly share: number;
  /** Those that are copied, e.g. `GET`. */
  readonly methods: readonly string[];
  /** Requests larger than this, head included, or not here as a whole when they are sent, are not copied. */
  readonly requestBytes: number;
  /** Null: responses are not compared. */
  readonly compare: CompareRoute | null;
}

/** How two responses are compared, besides by status. */
export interface CompareRoute {
  /** Field names in lower case. */
  readonly headers: readonly string[];
  /** Members of JSON bodies that do not matter: a name, or a path such as `meta.id`. */
  readonly ignore: readonly string[];
  /** Larger bodies are not compared. */
  readonly bodyBytes: number;
}

export interface UpstreamRoute {
  readonly id: number;
  readonly name: string;
  /** Share of new traffic, an integer >= 0, proportional. */
  readonly weight: number;
  /** `draining`: takes no request at all, pinned or not. */
  readonly admin: 'enabled' | 'draining';
  /** Pins that carry another epoch are broken; `evict` raises it. */
  readonly pinEpoch: number;
  readonly targets: readonly TargetRoute[];
  /** Ledger block, see ledger.ts `UPSTREAM`. */
  readonly ledger: SharedArrayBuffer;
  /** Block of SLOTS slots, see ledger.ts `SLOT`; there while its service has counting rules. */
  readonly slots?: SharedArrayBuffer;
}

/** First and last of a range of status codes. */
export type StatusRange = readonly [number, number];

/** Which judged attempts count, and as what. */
export interface CountingRule {
  /** Prefixes on whole segments; empty: any path. */
  readonly paths: readonly string[];
  /** In upper case; empty: any method. */
  readonly methods: readonly string[];
  /** Answers that are errors, besides failures without an answer. */
  readonly errors: readonly StatusRange[];
  /** Answers that do not count at all. */
  readonly ignored: readonly StatusRange[];
  /** Statuses of gRPC calls that are errors; null: the usual ones (see grpc.ts). */
  readonly grpc: readonly number[] | null;
  /** At most so many outcomes of a client in so much time, on each upstream and in each worker; null: all. */
  readonly client: { readonly most: number; readonly perMs: number } | null;
  /** An attempt whose response head, or failure, comes later than this is slow; 0: none is. */
  readonly slowMs: number;
  /** Latencies are kept in buckets. */
  readonly timed: boolean;
  /** Compared copies count, and no attempt; those that differed are errors. */
  readonly copies?: true;
  /** What a response may report (see business.ts), and is counted; null: nothing. */
  readonly event: string | null;
}

export interface TargetRoute {
  readonly id: number;
  /** As configured, e.g. `http://127.0.0.1:3001`; `https:` and `h2:` are spoken over TLS, `h2:` and `h2c:` by HTTP/2. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Healthy (or trusted), enabled, and not ejected unless ejections are ignored (see outliers.ts `eligibleTargets`). */
  readonly eligible: boolean;
  /** Set for a target that came back from being unhealthy or ejected: its share grows over this time (`monotonicMs`). */
  readonly warm: { readonly sinceMs: number; readonly untilMs: number } | null;
  /** Set while its upstream drains or after its removal; times are `monotonicMs`. At `cutAtMs` what is left is cut. */
  readonly closing: { readonly sinceMs: number; readonly cutAtMs: number } | null;
  /** Ledger block, see ledger.ts `TARGET`. */
  readonly ledger: SharedArrayBuffer;
}

export type PinPolicy =
  | { readonly by: 'none' }
  | { readonly by: 'ip' }
  | { readonly by: 'header'; readonly header: string }
  | {
      readonly by: 'cookie';
      readonly name: string;
      /** Seconds; 0 makes a session cookie. */
      readonly maxAgeS: number;
      /** First key signs, all verify (rotation). `secret` is base64url. */
      readonly keys: readonly { readonly id: string; readonly secret: string }[];
    };

/**
 * The worker's own brake on a candidate: `limits[n]` is the least number of errors among the candidate's first n+1
 * trials (counted by this worker since the snapshot with this `id` arrived) at which new requests stop going to it.
 * Beyond the table's end the control plane alone decides. It is the same sequential boundary the error-rate guard uses,
 * so the brake only ever anticipates a rollback that the control plane is about to decide.
 */
export interface Fuse {
  /** A new id re-arms a blown fuse. */
  readonly id: number;
  readonly limits: readonly number[];
}
