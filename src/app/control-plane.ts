import type { RolloutPlan } from '../config/config.ts';
import type { PowerPlan } from '../rollout/power.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { JournalEntry, StoredEvent } from '../store/store.ts';
import type { Outcome } from '../traffic/ledger.ts';

/**
 * What the admin API, the dashboard and the metrics may ask of a running gate. Every command is serialised with the
 * others, durable and served by every worker when its promise resolves, and throws TealgateError otherwise, with
 * nothing changed. A map in the configuration is a map here.
 */
export interface ControlPlane {
  overview(): Overview;
  /** Throws `not_found`. */
  service(name: string): ServiceView;
  /** A small part of the overview, for whoever looks again and again: an overview of many services takes a while. */
  upstreamTotals(): readonly UpstreamTotals[];

  /** Names every upstream it sets; those it leaves out keep their weight. Refused (`conflict`) while a rollout runs. */
  setWeights(service: string, weights: Readonly<Record<string, number>>, by: Command): Promise<Applied>;
  /** Refused (`conflict`) when `to` has no reachable, healthy target, unless `force`. */
  switchTo(service: string, to: string, by: Command & { readonly force?: boolean }): Promise<Applied>;
  drain(service: string, upstream: string, by: Command): Promise<Applied>;
  enable(service: string, upstream: string, by: Command): Promise<Applied>;
  evict(service: string, upstream: string, by: Command): Promise<Applied>;
  setTargets(service: string, upstream: string, targets: readonly string[], by: Command): Promise<Applied>;
  /** Counts what an application reports of an upstream, for business guards; the totals. Throws `not_found`, `bad_request`. */
  reportBusiness(service: string, report: BusinessReport): BusinessReport;
  /** Resolves when the upstream has no request and no upgrade left (cut at the drain deadline at the latest). */
  waitDrained(service: string, upstream: string, signal: AbortSignal): Promise<void>;

  /**
   * `plan`: any keys of the configured plan to override, in configuration form (durations as strings). `replace`: a
   * rollout that runs is aborted for this one, in one step.
   */
  startRollout(
    service: string,
    to: string,
    plan: unknown,
    by: Command & { readonly replace?: boolean },
  ): Promise<Rollout>;
  /**
   * What such a rollout would be, without starting it. `requestsPerSecond` instead of those of the last minute; throws
   * `not_found`, and `bad_request` for a plan with mistakes.
   */
  previewRollout(
    service: string,
    to: string,
    plan: unknown,
    given: { readonly requestsPerSecond?: number },
  ): Promise<RolloutPreview>;
  /** Repeating a call that has already taken effect answers with the rollout as it is. */
  operateRollout(service: string, action: RolloutAction, by: Command): Promise<Rollout>;
  /** What the stages of a plan can see by the traffic of the last minute. Throws `not_found`. */
  power(service: string, plan: RolloutPlan): PowerPlan;
  /** One of the rollouts of a service by its id; `current` is the newest. Throws `not_found`. */
  rollout(service: string, id: string): Rollout;
  /** A rollout as it is stored, with the entries of its journal after the given one. Throws `not_found`. */
  journal(service: string, id: string, page: JournalPage): RolloutJournal;
  /** Switches back to the upstream that was stable before the last promoted rollout. */
  undo(service: string, by: Command): Promise<Applied>;

  /** The configured groups by name. */
  groups(): Readonly<Record<string, GroupView>>;
  /** Throws `not_found`. */
  group(name: string): GroupView;
  /** As `startRollout`, of all services of a group as one. `to`: their candidate, or that of each by its name. */
  startGroupRollout(
    group: string,
    to: string | Readonly<Record<string, string>>,
    plan: unknown,
    by: Command & { readonly replace?: boolean },
  ): Promise<GroupView>;
  operateGroup(group: string, action: GroupAction, by: Command): Promise<GroupView>;
  /** Switches every service back to what was stable before the last promoted rollout of the group. */
  undoGroup(group: string, by: Command): Promise<GroupView>;

  /** Reads the configuration file again. Never throws for a bad file: the answer says what is wrong. */
  reload(by: Command): Promise<ConfigStatus>;

  /**
   * What a signed link of a notification would do. Throws `forbidden` for one that is not ours or has expired, and
   * `conflict` for one that was used, or whose rollout has gone on since it was sent.
   */
  linkedAction(signature: string): LinkedAction;
  /** Does it; throws as `linkedAction`. Who did it is `link:` and the webhook that the link was sent to. */
  followLink(signature: string): Promise<Rollout>;

  /** Notifications that were given up, newest first, at most 1,000. */
  deadLetters(): readonly DeadLetter[];
  /** Sends one of them again, with all its attempts. Throws `not_found`. */
  redeliver(id: string, by: Command): Promise<void>;

  events(since: number): readonly StoredEvent[];
  watchEvents(since: number, onEvents: (events: readonly StoredEvent[]) => void, signal: AbortSignal): void;
  /** Ready to take traffic: false before the first snapshot is served, while no worker serves and as soon as shutdown begins. */
  ready(): boolean;
}

/** `count` events, and `of` occasions for one that no request through the gate stands for. */
export interface BusinessReport {
  readonly upstream: string;
  readonly event: string;
  readonly count: number;
  readonly of: number;
}

/** What a signed link stands for. */
export interface LinkedAction {
  readonly action: 'promote' | 'abort';
  readonly service: string;
  readonly rollout: Rollout;
  /** To whom it was sent: a name of `webhooks`. */
  readonly sentTo: string;
  /** ms since the Unix epoch. */
  readonly expiresAt: number;
}

/** A notification that could not be delivered. */
export interface DeadLetter {
  /** The `webhook-id` of each attempt. */
  readonly id: string;
  /** Who was to be told: a name of `webhooks`. */
  readonly webhook: string;
  readonly event: Pick<StoredEvent, 'id' | 'type' | 'service' | 'at'>;
  readonly attempts: number;
  /** What came of the last attempt. */
  readonly error: string;
  /** ms since the Unix epoch. */
  readonly deadAt: number;
}

export interface RolloutPreview {
  readonly service: string;
  /** Stable now. */
  readonly from: string;
  readonly to: string;
  /** Complete, as the rollout would have it. */
  readonly plan: RolloutPlan;
  readonly power: PowerPlan;
  /** Why it would be refused now, in sentences; empty when it would start. */
  readonly obstacles: readonly string[];
  /** What could keep it from being promoted. */
  readonly stops: readonly string[];
}

export interface JournalPage {
  /** Entries with a greater id; 0 for the first. */
  readonly after: number;
  readonly limit: number;
}

export interface RolloutJournal {
  readonly rollout: Rollout;
  /** Oldest first. */
  readonly entries: readonly JournalEntry[];
}

export type RolloutAction = 'promote' | 'abort' | 'pause' | 'resume' | 'retry';

export type GroupAction = Exclude<RolloutAction, 'retry'>;

/** Services that are released as one. */
export interface GroupView {
  readonly name: string;
  readonly services: readonly string[];
  /** Of the newest release, running or ended, one for each service; empty before the first. */
  readonly rollouts: readonly Rollout[];
}

export interface Command {
  /** Token name or `loopback`. */
  readonly actor: string;
  /** From `If-Match`: refuse with `precondition_failed` unless this is the service's current version. */
  readonly ifVersion?: number;
}

export interface Applied {
  /** The snapshot version that every worker now serves. */
  readonly version: number;
  readonly service: ServiceView;
}

export interface Overview {
  readonly version: number;
  readonly startedAt: number;
  readonly workers: readonly {
    readonly index: number;
    readonly state: 'starting' | 'serving' | 'restarting';
    readonly restarts: number;
  }[];
  readonly config: ConfigStatus;
  /** Requests that never reached a service. */
  readonly unrouted: LedgerView;
  readonly services: Readonly<Record<string, ServiceView>>;
}

export interface ConfigStatus {
  readonly path: string;
  readonly lastReloadSuccessful: boolean;
  /** ms since the Unix epoch of the last successful load. */
  readonly loadedAt: number;
  /** Of the last failed reload, as `tealgate check` prints them; empty after a good one. */
  readonly errors: readonly string[];
  /** What the last good reload changed, in words; empty when nothing. */
  readonly changes: readonly string[];
}

export interface LedgerView {
  readonly accepted: number;
  /** accepted minus the sum of outcomes. */
  readonly inFlight: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
}

export interface ServiceView {
  readonly name: string;
  /** Snapshot version of the service's last change: its ETag. */
  readonly version: number;
  readonly hosts: readonly string[];
  readonly paths: readonly string[];
  readonly stable: string;
  readonly upstreams: Readonly<Record<string, UpstreamView>>;
  /** The newest rollout, running or ended; null when there never was one. */
  readonly rollout: Rollout | null;
  readonly rollouts: readonly Rollout[];
  readonly ledger: LedgerView;
  /** Fields where a run-time change holds against the file: `weights`, `stable`, `targets.green`. */
  readonly overrides: readonly string[];
}

/** What came to an upstream since the start. */
export interface UpstreamTotals {
  readonly service: string;
  readonly upstream: string;
  readonly requests: number;
  readonly trials: number;
  readonly errors: number;
}

export interface UpstreamView {
  readonly name: string;
  readonly role: 'stable' | 'candidate' | 'idle';
  readonly weight: number;
  readonly admin: 'enabled' | 'draining';
  readonly drain: { readonly sinceAt: number; readonly deadlineAt: number; readonly drained: boolean } | null;
  /** The old side of a promoted rollout, while it is kept to return to; it drains when nothing is left. */
  readonly warm?: { readonly sinceAt: number; readonly leftMs: number };
  readonly inFlight: number;
  readonly upgrades: number;
  readonly pins: number;
  /** Totals since start. */
  readonly requests: number;
  readonly trials: number;
  readonly errors: number;
  readonly retries: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** The same of the last minute; null without a request. */
  readonly recentLatencyMs: { readonly p50: number; readonly p99: number } | null;
  readonly targets: readonly TargetView[];
}

/** Three separate facts about a target (health, admin, ejection), never one. */
export interface TargetView {
  readonly url: string;
  readonly health: 'trusted' | 'unknown' | 'healthy' | 'unhealthy';
  readonly admin: 'enabled' | 'draining' | 'removed';
  readonly ejection: { readonly ejected: boolean; readonly untilAt: number | null };
  readonly inFlight: number;
  readonly upgrades: number;
  readonly connections: number;
  readonly attempts: number;
  readonly failures: number;
  /** Newest first, at most 5. */
  readonly probes: readonly ProbeResult[];
}

export interface ProbeResult {
  readonly at: number;
  readonly ok: boolean;
  readonly status: number | null;
  readonly durationMs: number;
  /** Why it failed, or the first 200 characters of an unexpected body. */
  readonly detail: string;
  /** The gate had no file descriptor or port left to ask with: says nothing about the target. */
  readonly notAsked?: true;
}
