import type { Config, ServiceConfig } from '../config/config.ts';
import type { Clock } from '../platform/clock.ts';
import { TealgateError } from '../platform/errors.ts';
import { Journal, type RolloutChange } from '../rollout/journal.ts';
import type { NewEvent, Store, StoredEvent } from '../store/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Baselines } from './baselines.ts';
import type { Applied, Command } from './control-plane.ts';
import { desiredService, type EffectiveService, effectiveService, own, withService } from './desired/effective.ts';
import { sameValue } from './desired/equal.ts';
import { routingEvents, type ServiceEvent } from './desired/events.ts';
import { validateDesired } from './desired/validate.ts';
import type { DesiredService, DesiredState } from './desired.ts';
import type { HealthChecker } from './health/checker.ts';
import type { Outliers } from './outliers.ts';
import type { Publisher } from './publisher.ts';
import { SerialQueue } from './queue.ts';
import type { RecentLatency } from './recent-latency.ts';
import type { Registry } from './registry.ts';
import { serviceView } from './views/service-view.ts';
import type { WorkerPool } from './workers/worker-pool.ts';

/** What every command works with. */
export interface CoreParts {
  readonly store: Store<DesiredState>;
  readonly publisher: Publisher;
  readonly registry: Registry;
  readonly health: HealthChecker;
  readonly outliers: Outliers;
  readonly baselines: Baselines;
  readonly latency: RecentLatency;
  readonly pool: WorkerPool;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with the events of each commit. */
  readonly onEvents: (events: readonly StoredEvent[]) => void;
}

/** The file and the run-time changes. */
export interface Current {
  readonly config: Config;
  readonly desired: DesiredState;
}

/** What a command makes of it. `config` is given by a reload only. */
export interface Proposal {
  readonly config?: Config;
  readonly desired: DesiredState;
  readonly events: readonly NewEvent[];
  /** What moved rollouts. */
  readonly journal?: readonly RolloutChange[];
}

/** A service as a command finds it. */
export interface ServiceState {
  readonly name: string;
  readonly config: ServiceConfig;
  readonly desired: DesiredService;
  readonly effective: EffectiveService;
}

export interface ServiceProposal {
  readonly desired: DesiredService;
  /** Besides those that follow from the change of traffic. */
  readonly events?: readonly (ServiceEvent & { readonly actor?: string })[];
  /** What moved its rollouts. */
  readonly journal?: readonly RolloutChange[];
}

/** Another process that shares the store was faster this often: give up. */
const ATTEMPTS = 5;

/**
 * The one place where state changes. Each change runs alone: decided on the committed state, made durable, published,
 * and over when every worker serves it.
 */
export class Core {
  readonly parts: CoreParts;
  private readonly queue = new SerialQueue();
  private readonly journal = new Journal();
  /** As committed. */
  private state: Current;
  /** As every worker serves it: what others get to see. In the queue, between two changes, both are the same. */
  private seen: Current;
  private revision: number;

  constructor(parts: CoreParts, current: Current, revision: number) {
    this.parts = parts;
    this.state = current;
    this.seen = current;
    this.revision = revision;
  }

  /** As it is served. */
  current(): Current {
    return this.seen;
  }

  /** As committed; workers may not serve it yet. */
  committed(): Current {
    return this.state;
  }

  /** As it is served. Throws `not_found`. */
  service(name: string): ServiceState {
    return serviceOf(this.seen, name);
  }

  /**
   * Changes one service; a proposal of what is there already, with no events, changes nothing. Resolves with the service
   * as it is served then, before the next change. Throws what `decide` throws.
   */
  async changeService(
    name: string,
    by: Command,
    decide: (state: ServiceState) => ServiceProposal | null,
  ): Promise<Applied> {
    return this.queue.run(async () => {
      await this.change([name], by, ([state]) => [state === undefined ? null : decide(state)]);
      return this.applied(name);
    });
  }

  /**
   * Changes several services in one commit and one snapshot. `decide` sees them in their order and proposes for each, null
   * where it stays as it is.
   */
  changeServices(
    names: readonly string[],
    by: Command,
    decide: (states: readonly ServiceState[]) => readonly (ServiceProposal | null)[],
  ): Promise<readonly Applied[]> {
    return this.queue.run(async () => {
      await this.change(names, by, decide);
      return names.map((name) => this.applied(name));
    });
  }

  /**
   * Publishes what was observed since the last time, like health, and tells of it. What is observed holds whether or not
   * it can be written down, so a store that fails is logged and holds up nothing.
   */
  observe(events: readonly NewEvent[]): Promise<void> {
    return this.queue.run(async () => {
      this.tell(events);
      await this.publish();
    });
  }

  /** Runs alone like a change, for what changes more than state. It must not ask for a change: that would wait for it. */
  alone<T>(task: (tools: Alone) => Promise<T>): Promise<T> {
    const tools: Alone = {
      commit: (decide) => this.commit(decide),
      tell: (events) => this.tell(events),
      publish: () => this.publish(),
    };
    return this.queue.run(() => task(tools));
  }

  /** Resolves when what has been asked for so far is done. */
  idle(): Promise<void> {
    return this.queue.idle();
  }

  private async change(
    names: readonly string[],
    by: Command,
    decide: (states: readonly ServiceState[]) => readonly (ServiceProposal | null)[],
  ): Promise<void> {
    const propose = (): Proposal | null => {
      const states = names.map((name) => serviceOf(this.state, name));
      for (const name of names) this.expectVersion(name, by);
      return this.merged(states, by, decide(states));
    };
    if (this.commit(propose)) await this.publish();
  }

  private applied(name: string): Applied {
    return { version: this.parts.publisher.version(), service: serviceView(this, this.service(name)) };
  }

  /** Proposals for several services as one; null when they change nothing. */
  private merged(
    states: readonly ServiceState[],
    by: Command,
    proposals: readonly (ServiceProposal | null)[],
  ): Proposal | null {
    const at = this.parts.clock.wallMs();
    let { desired } = this.state;
    const events: NewEvent[] = [];
    const journal: RolloutChange[] = [];
    let isNothing = true;
    states.forEach((before, i) => {
      const proposal = proposals[i] ?? null;
      if (proposal === null) return;
      if (sameValue(proposal.desired, before.desired) && (proposal.events ?? []).length === 0) return;
      isNothing = false;
      journal.push(...(proposal.journal ?? []));
      const after = effectiveService(before.config, proposal.desired);
      desired = withService(desired, before.name, proposal.desired);
      for (const event of [...(proposal.events ?? []), ...routingEvents(before.effective, after)]) {
        events.push({ actor: by.actor, ...event, service: before.name, at });
      }
    });
    return isNothing ? null : { desired, events, journal };
  }

  private commit(decide: (current: Current) => Proposal | null): boolean {
    const { store, clock } = this.parts;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const proposal = decide(this.state);
      if (proposal === null) return false;
      const entries = this.journal.entries(proposal.journal ?? [], clock.wallMs());
      const result = store.commit(this.revision, proposal.desired, proposal.events, entries);
      if (result.kind === 'committed') {
        this.journal.written(entries);
        this.revision = result.revision;
        this.state = { config: proposal.config ?? this.state.config, desired: proposal.desired };
        this.parts.onEvents(result.events);
        return true;
      }
      this.follow();
    }
    throw new TealgateError('store_conflict', 'the store is being changed by another process; try again');
  }

  private tell(events: readonly NewEvent[]): void {
    if (events.length === 0) return;
    try {
      this.commit(({ desired }) => ({ desired, events }));
    } catch (error) {
      this.parts.log.error({ event: 'store.failed', err: error }, 'what happened could not be written down');
    }
  }

  /** Takes over what another process committed. */
  private follow(): void {
    const { revision, state } = this.parts.store.load();
    this.revision = revision;
    if (state !== null) this.state = { ...this.state, desired: validateDesired(state) };
  }

  private async publish(): Promise<void> {
    const { publisher, pool } = this.parts;
    const snapshot = publisher.build(this.state.config, this.state.desired);
    if (snapshot !== null) await pool.publish(snapshot);
    publisher.served();
    this.seen = this.state;
  }

  private expectVersion(service: string, by: Command): void {
    const version = this.parts.publisher.serviceVersion(service);
    if (by.ifVersion === undefined || by.ifVersion === version) return;
    const message = `${service} is at version ${version}, not ${by.ifVersion}: it was changed meanwhile; read it again`;
    throw new TealgateError('precondition_failed', message, { details: { version } });
  }
}

function serviceOf(current: Current, name: string): ServiceState {
  const config = own(current.config.services, name);
  if (config === undefined) throw new TealgateError('not_found', `there is no service "${name}" in the configuration`);
  const desired = desiredService(current.desired, name);
  return { name, config, desired, effective: effectiveService(config, desired) };
}

/** What may be done while everything else waits. */
export interface Alone {
  /** Durable when it returns; false when `decide` proposed nothing. */
  commit(decide: (current: Current) => Proposal | null): boolean;
  /** Writes events down if that can be done; never throws. */
  tell(events: readonly NewEvent[]): void;
  publish(): Promise<void>;
}
