import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../platform/clock.ts';
import { ask } from './ask.ts';
import { needsBaseline } from './guards/counting.ts';
import { Meter } from './meter.ts';
import { Poller } from './poller.ts';
import type { RolloutPorts, RolloutUpdate } from './ports.ts';
import { type RolloutEvent, transition } from './reducer.ts';
import type { Baseline, Rollout, SmokeResult } from './rollout.ts';
import { runSmoke } from './smoke.ts';
import { SmokeDesk } from './smoke-desk.ts';
import { effectsOf } from './step.ts';
import { transitionTogether } from './together.ts';
import { told } from './told.ts';

/** Drives the rollouts of all services: looks at each, performs what it is owed, and stores what it becomes. */
export interface Runner {
  /**
   * Goes on with the rollouts the store holds, and looks at whatever runs every 50 ms until the signal ends; resolves
   * when the last look has. Call it once, when the first snapshot is served.
   */
  start(signal: AbortSignal): Promise<void>;
  /**
   * Looks at a service now, and resolves when it has: after a rollout was created or operated, and when a worker's fuse
   * blew. Never rejects: what fails is logged and tried again with the next look. False when this look could not be
   * finished, so that nothing is known of the verdict.
   */
  judge(service: string): Promise<boolean>;
  /** One look at everything that runs. */
  tick(): Promise<void>;
}

export interface RunnerOptions {
  readonly clock: Clock;
  readonly log: RunnerLog;
  /** How smoke requests are sent; default {@link runSmoke}. */
  readonly smoke?: typeof runSmoke;
}

/** Where failures go; a pino logger will do. What goes well is told by the events of each update. */
export interface RunnerLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Between two looks while a rollout runs, and while none does. */
const LOOK_MS = 50;
const IDLE_MS = 250;
/** Counts and holds that grew are stored this often; whatever changes a verdict or a phase is stored at once. */
const PERSIST_MS = 1000;
/** The same failure of the same service is logged this often. */
const REPEAT_MS = 5000;
/** Transitions in one look: more than any plan has stages without a hold, and an end to it all the same. */
const MOST_MOVES = 100;

export function createRunner(ports: RolloutPorts, options: RunnerOptions): Runner {
  return new RolloutRunner(ports, options);
}

class RolloutRunner implements Runner {
  readonly #ports: RolloutPorts;
  readonly #clock: Clock;
  readonly #log: RunnerLog;
  readonly #smoke: SmokeDesk;
  readonly #meter: Meter;
  readonly #poller: Poller;
  readonly #looks = new Map<string, Look>();
  readonly #persistedMs = new Map<string, number>();
  readonly #failures = new Map<string, { readonly message: string; readonly atMs: number }>();
  readonly #stop = new AbortController();

  constructor(ports: RolloutPorts, { clock, log, smoke = runSmoke }: RunnerOptions) {
    this.#ports = ports;
    this.#clock = clock;
    this.#log = log;
    this.#smoke = new SmokeDesk(ports, { clock, smoke, signal: this.#stop.signal });
    this.#meter = new Meter(ports, clock);
    this.#poller = new Poller({
      clock,
      rollout: (service) => ports.rollout(service),
      ask: (asking, signal) => ask(asking, { connections: ports.connections(), clock, signal }),
      onObserved: (service) => void this.judge(service),
      onError: (service, error) => this.#report(service, error),
    });
  }

  async start(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#stop.abort();
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    await Promise.all(this.#runningServices().map((service) => this.#takeUp(service)));
    while (!this.#stop.signal.aborted) {
      // Not awaited: a slow smoke request of one service must not keep another from being judged.
      void this.tick();
      const waitMs = this.#running().length > 0 ? LOOK_MS : IDLE_MS;
      await delay(waitMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    await Promise.all([...this.#looks.values()].map((look) => look.done));
    await this.#poller.close();
  }

  async judge(service: string): Promise<boolean> {
    const unit = this.#unitOf(service);
    const look = this.#looks.get(unit.key);
    if (look === undefined) return this.#begin(unit);
    // The look under way may have read its counts before what the caller wants judged.
    look.again = true;
    return look.done;
  }

  async tick(): Promise<void> {
    await Promise.all(this.#running().map((unit) => this.#looks.get(unit.key)?.done ?? this.#begin(unit)));
  }

  /** What runs, each group once. */
  #running(): readonly Unit[] {
    const units = this.#runningServices().map((service) => this.#unitOf(service));
    return [...new Map(units.map((unit) => [unit.key, unit])).values()];
  }

  #unitOf(service: string): Unit {
    const group = this.#ports.rollout(service)?.group;
    // A name has no blank, so no service is taken for a group.
    return group === undefined
      ? { key: service, group: null, services: [service] }
      : { key: `group ${group.id}`, group: group.id, services: group.services };
  }

  #runningServices(): readonly string[] {
    try {
      return this.#ports.running();
    } catch (error) {
      this.#report('', error);
      return [];
    }
  }

  /** After a restart: nothing moves, but the trail shows the interruption, and the counters are this rollout's. */
  async #takeUp(service: string): Promise<void> {
    try {
      const rollout = this.#ports.rollout(service);
      if (rollout === null) return;
      if (rollout.position.phase === 'progressing' || rollout.position.phase === 'paused') this.#meter.adopt(rollout);
      await this.#update(rollout, () => ({ type: 'interrupted' }));
    } catch (error) {
      this.#report(service, error);
    }
  }

  #begin(unit: Unit): Promise<boolean> {
    const look: Look = { again: false, done: Promise.resolve(false) };
    this.#looks.set(unit.key, look);
    look.done = this.#lookUntilStill(unit, look);
    return look.done;
  }

  async #lookUntilStill(unit: Unit, look: Look): Promise<boolean> {
    let finished = false;
    do {
      look.again = false;
      finished = false;
      try {
        await this.#look(unit);
        finished = !this.#stop.signal.aborted;
        this.#failures.delete(unit.key);
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#report(unit.key, error);
      }
    } while (look.again && !this.#stop.signal.aborted);
    // In the same turn as the last look at `again`, so that no call to judge() falls between the two.
    this.#looks.delete(unit.key);
    return finished;
  }

  /** Performs what is owed, and what is owed after that, until it has to wait. */
  async #look({ group, services }: Unit): Promise<void> {
    for (let moves = 0; moves < MOST_MOVES && !this.#stop.signal.aborted; moves++) {
      const rollouts = services.flatMap((service) => this.#ports.rollout(service) ?? []);
      const [rollout] = rollouts;
      if (rollout === undefined) return;
      for (const one of rollouts) this.#poller.follow(one);
      const members = group === null ? [] : rollouts.filter((member) => member.group?.id === group);
      const moved = group === null ? this.#perform(rollout) : this.#performTogether(members);
      if (!(await moved)) return;
    }
  }

  /** True when the rollout moved to another place. */
  async #perform(rollout: Rollout): Promise<boolean> {
    const [effect] = effectsOf(rollout);
    switch (effect?.kind) {
      case 'start':
        return this.#update(rollout, () => ({ type: 'start' }));
      case 'smoke':
        return this.#check(rollout);
      case 'watch':
        return this.#watch(rollout);
      case 'confirm_switch':
        // The update that began the promotion resolved, or the proxy restarted with it: every worker serves it.
        return this.#update(rollout, () => ({ type: 'switched' }));
      case 'await_drain':
        if (!this.#ports.drained(rollout.service, effect.upstream)) return this.#watch(rollout);
        return this.#update(rollout, () => ({ type: 'drained' }));
      case undefined:
        this.#forget(rollout.service);
        return false;
    }
  }

  async #check(rollout: Rollout): Promise<boolean> {
    const results = await this.#whileWaiting([rollout], this.#smoke.results(rollout));
    if (results === null) return false;
    const passed = results.every((result) => result.ok);
    return this.#update(rollout, (current) => {
      return { type: passed ? 'smoke_passed' : 'smoke_failed', results, ...this.#measureFrom(current) };
    });
  }

  /** From here on what is counted is the rollout's; what stable did before, where a guard wants to know. */
  #measureFrom(rollout: Rollout): { readonly baseline?: Baseline } {
    this.#meter.begin(rollout);
    const { plan } = rollout;
    const guards = [...plan.guards, ...plan.stages.flatMap((stage) => stage.guards ?? [])];
    const isAsked = guards.some((guard) => guard.kind !== 'none' && needsBaseline(guard));
    return isAsked ? { baseline: this.#ports.baseline(rollout) } : {};
  }

  /** The same for rollouts that go together: what each is owed, and what all of them become by it. */
  async #performTogether(members: readonly Rollout[]): Promise<boolean> {
    const asked = members.filter(({ position }) => position.phase === 'checking');
    const answers = await this.#whileWaiting(
      members,
      Promise.all(asked.map(async (member) => [member.id, await this.#smoke.results(member)] as const)),
    );
    if (answers === null) return false;
    const smoke = new Map(answers);
    return this.#updateTogether(members, (member, isDue) =>
      this.#happened(member, smoke.get(member.id) ?? null, isDue),
    );
  }

  /** What there is to tell of a rollout that goes together with others; null for nothing. */
  #happened(rollout: Rollout, smoke: readonly SmokeResult[] | null, isDue: boolean): RolloutEvent | null {
    const [effect] = effectsOf(rollout);
    switch (effect?.kind) {
      case 'start':
        return { type: 'start' };
      case 'smoke':
        if (smoke === null) return this.#tick(rollout, isDue);
        return {
          type: smoke.every(({ ok }) => ok) ? 'smoke_passed' : 'smoke_failed',
          results: smoke,
          ...this.#measureFrom(rollout),
        };
      case 'watch':
        return this.#tick(rollout, isDue);
      case 'confirm_switch':
        return { type: 'switched' };
      case 'await_drain':
        if (this.#ports.drained(rollout.service, effect.upstream)) return { type: 'drained' };
        return this.#tick(rollout, isDue);
      case undefined:
        this.#forget(rollout.service);
        return null;
    }
  }

  /** What is waited for, however long it takes, with the clock of the deadline going; null when it was given up. */
  async #whileWaiting<T>(rollouts: readonly Rollout[], awaited: Promise<T>): Promise<T | null> {
    if (rollouts.every(({ plan }) => plan.deadlineMs === undefined)) return awaited;
    for (;;) {
      const look = new AbortController();
      const timer = delay(LOOK_MS, null, { signal: look.signal }).catch(() => null);
      const outcome = await Promise.race([awaited.then((value) => ({ value })), timer]);
      look.abort();
      if (outcome !== null) return outcome.value;
      if (!rollouts.every((rollout) => this.#isWhereItWas(rollout)) || (await this.#letWait(rollouts))) return null;
    }
  }

  #isWhereItWas({ id, service, position }: Rollout): boolean {
    const current = this.#ports.rollout(service);
    return current?.id === id && current.position.phase === position.phase;
  }

  #letWait(rollouts: readonly Rollout[]): Promise<boolean> {
    const [rollout] = rollouts;
    if (rollout === undefined) return Promise.resolve(false);
    if (rollout.group !== undefined)
      return this.#updateTogether(rollouts, (member, isDue) => this.#happened(member, null, isDue));
    return this.#watch(this.#ports.rollout(rollout.service) ?? rollout);
  }

  async #watch(rollout: Rollout): Promise<boolean> {
    const isDue = this.#isDue(rollout);
    const event = this.#tick(rollout, isDue);
    const seen = transition(rollout, event, this.#clock.wallMs());
    if (!isWorthStoring(rollout, seen, isDue || this.#poller.hasUrgent(rollout.service))) return false;
    return this.#update(rollout, (current) => this.#tick(current, isDue));
  }

  /** What was seen since the last tick; `isDue`: it is stored, whatever it is. */
  #tick(rollout: Rollout, isDue: boolean): RolloutEvent {
    const answers = this.#poller.answers(rollout);
    return { type: 'tick', ...this.#meter.read(rollout), ...(isDue ? { closes: true } : {}), ...answers };
  }

  #isDue({ service }: Rollout): boolean {
    const persistedMs = this.#persistedMs.get(service) ?? Number.NEGATIVE_INFINITY;
    return this.#clock.monotonicMs() - persistedMs >= PERSIST_MS;
  }

  /** As `#update`, for rollouts that go together: told to all of them or to none. */
  async #updateTogether(
    members: readonly Rollout[],
    happened: (current: Rollout, isDue: boolean) => RolloutEvent | null,
  ): Promise<boolean> {
    const isDue = members.some((member) => this.#isDue(member));
    let events: readonly (RolloutEvent | null)[] = [];
    const tell = (rollouts: readonly Rollout[]): readonly RolloutUpdate[] => {
      events = rollouts.map((rollout) => happened(rollout, isDue));
      return transitionTogether(
        rollouts.map((rollout, i) => ({ rollout, event: events[i] ?? null })),
        this.#clock.wallMs(),
      );
    };
    const seen = tell(members);
    const isWorth = isDue || members.some(({ service }) => this.#poller.hasUrgent(service));
    if (!seen.some((update, i) => isWorthStoring(members[i], update, isWorth))) return false;
    const outcome = { stored: false, moved: false };
    const services = members.map(({ service }) => service);
    await this.#ports.updateTogether(services, (rollouts) => {
      outcome.stored = false;
      const current = rollouts.filter((rollout) => rollout !== null);
      if (!members.every(({ id }, i) => rollouts[i]?.id === id)) return null;
      const updates = tell(current);
      outcome.stored = true;
      outcome.moved = updates.some(({ rollout }, i) => hasMoved(rollout, current[i]));
      return updates.map((update, i) => (update.rollout === current[i] && update.events.length === 0 ? null : update));
    });
    if (!outcome.stored) return false;
    services.forEach((service, i) => {
      this.#stored(service, events[i] ?? null);
    });
    return outcome.moved;
  }

  /**
   * Tells the reducer what happened, on the rollout as it is when its turn comes; another one by then, and the news is
   * not for it. True when the rollout moved.
   */
  async #update(rollout: Rollout, happened: (current: Rollout) => RolloutEvent): Promise<boolean> {
    const { service, id } = rollout;
    const outcome: { event: RolloutEvent | null; moved: boolean } = { event: null, moved: false };
    await this.#ports.update(service, (current) => {
      outcome.event = null;
      if (current?.id !== id) return null;
      const event = happened(current);
      const update = told(current, event, this.#clock.wallMs());
      if (update.rollout === current && update.events.length === 0) return null;
      outcome.event = event;
      outcome.moved = hasMoved(update.rollout, current);
      return update;
    });
    if (outcome.event === null) return false;
    this.#stored(service, outcome.event);
    return outcome.moved;
  }

  /**
   * A look that stored something before it was due does not put off the next that is: when stretches of time end must
   * have nothing to do with what was seen in them.
   */
  #stored(service: string, event: RolloutEvent | null): void {
    if (event?.type === 'tick' && hasAnswers(event)) this.#poller.stored(service, event);
    if (event?.type !== 'tick' || event.closes === true) this.#persistedMs.set(service, this.#clock.monotonicMs());
  }

  #report(service: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const nowMs = this.#clock.monotonicMs();
    const before = this.#failures.get(service);
    if (before?.message === message && nowMs - before.atMs < REPEAT_MS) return;
    this.#failures.set(service, { message, atMs: nowMs });
    this.#log.error({ event: 'rollout.look_failed', service, err: error }, 'could not move a rollout; trying again');
  }

  #forget(service: string): void {
    this.#meter.forget(service);
    this.#poller.forget(service);
    this.#smoke.forget(service);
    this.#persistedMs.delete(service);
  }
}

/** What is looked at as one: a service, or the services of a group. */
interface Unit {
  readonly key: string;
  /** Of the rollouts; null for a service by itself. */
  readonly group: string | null;
  readonly services: readonly string[];
}

interface Look {
  /** Someone asked while it was under way. */
  again: boolean;
  /** Whether the last look was finished. */
  done: Promise<boolean>;
}

/** What merely grew is stored when it is due. */
function isWorthStoring(
  before: Rollout | undefined,
  { rollout, events, changes }: RolloutUpdate,
  isDue: boolean,
): boolean {
  return events.length > 0 || changes.length > 0 || (isDue && rollout !== before);
}

/** Whether an event tells what others answered. */
function hasAnswers(event: RolloutEvent | null): boolean {
  return event?.type === 'tick' && (event.observations !== undefined || event.gate !== undefined);
}

function hasMoved(rollout: Rollout, before: Rollout | undefined): boolean {
  return rollout.transitions.length > (before?.transitions.length ?? 0);
}
