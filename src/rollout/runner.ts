import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../platform/clock.ts';
import { ask } from './ask.ts';
import { Meter } from './meter.ts';
import { LOOK_MS, Performer } from './performer.ts';
import { Poller } from './poller.ts';
import type { RolloutPorts } from './ports.ts';
import { Recorder } from './recorder.ts';
import { runSmoke } from './smoke.ts';
import { SmokeDesk } from './smoke-desk.ts';

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
  /** A look at a service was finished, with all that anybody had asked to be looked at by then. */
  readonly onLooked?: (service: string) => void;
}

/** Where failures go; a pino logger will do. What goes well is told by the events of each update. */
export interface RunnerLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** Between two looks while no rollout runs. */
const IDLE_MS = 250;
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
  readonly #poller: Poller;
  readonly #performer: Performer;
  readonly #onLooked: (service: string) => void;
  readonly #looks = new Map<string, Look>();
  readonly #failures = new Map<string, { readonly message: string; readonly atMs: number }>();
  readonly #stop = new AbortController();

  constructor(ports: RolloutPorts, { clock, log, smoke = runSmoke, onLooked = () => undefined }: RunnerOptions) {
    this.#onLooked = onLooked;
    this.#ports = ports;
    this.#clock = clock;
    this.#log = log;
    this.#poller = new Poller({
      clock,
      rollout: (service) => ports.rollout(service),
      ask: (asking, signal) => ask(asking, { connections: ports.connections(), clock, signal }),
      onObserved: (service) => void this.judge(service),
      onError: (service, error) => this.#report(service, error),
    });
    this.#performer = new Performer({
      ports,
      clock,
      recorder: new Recorder({ ports, clock, poller: this.#poller }),
      smoke: new SmokeDesk(ports, { clock, smoke, signal: this.#stop.signal }),
      meter: new Meter(ports, clock),
      poller: this.#poller,
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

  async #takeUp(service: string): Promise<void> {
    try {
      const rollout = this.#ports.rollout(service);
      if (rollout !== null) await this.#performer.takeUp(rollout);
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
    if (finished) for (const service of unit.services) this.#onLooked(service);
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
      const moved = group === null ? this.#performer.perform(rollout) : this.#performer.performTogether(members);
      if (!(await moved)) return;
    }
  }

  #report(service: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const nowMs = this.#clock.monotonicMs();
    const before = this.#failures.get(service);
    if (before?.message === message && nowMs - before.atMs < REPEAT_MS) return;
    this.#failures.set(service, { message, atMs: nowMs });
    this.#log.error({ event: 'rollout.look_failed', service, err: error }, 'could not move a rollout; trying again');
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
