import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../platform/clock.ts';
import { needsBaseline } from './guards/counting.ts';
import type { Meter } from './meter.ts';
import type { Poller } from './poller.ts';
import type { RolloutPorts } from './ports.ts';
import type { Happened, Recorder } from './recorder.ts';
import { type RolloutEvent, transition } from './reducer.ts';
import type { Baseline, Rollout, SmokeResult } from './rollout.ts';
import type { SmokeDesk } from './smoke-desk.ts';
import { effectsOf } from './step.ts';

/** Between two looks while a rollout runs. */
export const LOOK_MS = 50;

export interface PerformerParts {
  readonly ports: Pick<RolloutPorts, 'rollout' | 'drained' | 'baseline' | 'takesTraffic'>;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly smoke: SmokeDesk;
  readonly meter: Meter;
  readonly poller: Pick<Poller, 'answers' | 'forget'>;
}

/** Performs what rollouts are owed where they are (see step.ts `Effect`), and reports what came of it. */
export class Performer {
  readonly #parts: PerformerParts;

  constructor(parts: PerformerParts) {
    this.#parts = parts;
  }

  /** After a restart: nothing moves, but the trail shows the interruption, and the counters are this rollout's. */
  async takeUp(rollout: Rollout): Promise<void> {
    const { meter, recorder } = this.#parts;
    if (rollout.position.phase === 'progressing' || rollout.position.phase === 'paused') meter.adopt(rollout);
    await recorder.record(rollout, () => ({ type: 'interrupted' }));
  }

  /** True when the rollout moved to another place. */
  async perform(rollout: Rollout): Promise<boolean> {
    const { ports, recorder } = this.#parts;
    const [effect] = effectsOf(rollout);
    switch (effect?.kind) {
      case 'start':
        return recorder.record(rollout, () => ({ type: 'start' }));
      case 'smoke':
        return this.#check(rollout);
      case 'watch':
        return this.#watch(rollout);
      case 'confirm_switch':
        // The update that began the promotion resolved, or the proxy restarted with it: every worker serves it.
        return recorder.record(rollout, () => ({ type: 'switched' }));
      case 'await_drain':
        if (!ports.drained(rollout.service, effect.upstream)) return this.#watch(rollout);
        return recorder.record(rollout, () => ({ type: 'drained' }));
      case undefined:
        this.#forget(rollout.service);
        return false;
    }
  }

  /** The same for rollouts that go together: what each is owed, and what all of them become by it. */
  async performTogether(members: readonly Rollout[]): Promise<boolean> {
    const asked = members.filter(({ position }) => position.phase === 'checking');
    const answers = await this.#whileWaiting(
      members,
      Promise.all(asked.map(async (member) => [member.id, await this.#parts.smoke.results(member)] as const)),
    );
    if (answers === null) return false;
    const smoke = new Map(answers);
    return this.#parts.recorder.noteTogether(members, (member, isDue) =>
      this.#happened(member, smoke.get(member.id) ?? null, isDue),
    );
  }

  async #check(rollout: Rollout): Promise<boolean> {
    const results = await this.#whileWaiting([rollout], this.#parts.smoke.results(rollout));
    if (results === null) return false;
    return this.#parts.recorder.record(rollout, (current) => this.#checked(current, results));
  }

  #checked(rollout: Rollout, results: readonly SmokeResult[]): RolloutEvent {
    const passed = results.every(({ ok }) => ok);
    return { type: passed ? 'smoke_passed' : 'smoke_failed', results, ...this.#measureFrom(rollout) };
  }

  /** From here on what is counted is the rollout's; what stable did before, where a guard wants to know. */
  #measureFrom(rollout: Rollout): { readonly baseline?: Baseline } {
    this.#parts.meter.begin(rollout);
    const { plan } = rollout;
    const guards = [...plan.guards, ...plan.stages.flatMap((stage) => stage.guards ?? [])];
    const isAsked = guards.some((guard) => guard.kind !== 'none' && needsBaseline(guard));
    return isAsked ? { baseline: this.#parts.ports.baseline(rollout) } : {};
  }

  /** What there is to tell of a rollout that goes together with others; null for nothing. */
  #happened(rollout: Rollout, smoke: readonly SmokeResult[] | null, isDue: boolean): RolloutEvent | null {
    const [effect] = effectsOf(rollout);
    switch (effect?.kind) {
      case 'start':
        return { type: 'start' };
      case 'smoke':
        return smoke === null ? this.#seen(rollout, isDue) : this.#checked(rollout, smoke);
      case 'watch':
        return this.#seen(rollout, isDue);
      case 'confirm_switch':
        return { type: 'switched' };
      case 'await_drain':
        if (this.#parts.ports.drained(rollout.service, effect.upstream)) return { type: 'drained' };
        return this.#seen(rollout, isDue);
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
    const current = this.#parts.ports.rollout(service);
    return current?.id === id && current.position.phase === position.phase;
  }

  #letWait(rollouts: readonly Rollout[]): Promise<boolean> {
    const { ports, recorder } = this.#parts;
    const [rollout] = rollouts;
    if (rollout === undefined) return Promise.resolve(false);
    if (rollout.group !== undefined)
      return recorder.noteTogether(rollouts, (member, isDue) => this.#happened(member, null, isDue));
    return this.#watch(ports.rollout(rollout.service) ?? rollout);
  }

  #watch(rollout: Rollout): Promise<boolean> {
    return this.#parts.recorder.note(rollout, this.#seen);
  }

  /** What was seen since the last tick. */
  readonly #seen: Happened<RolloutEvent> = (rollout, isDue) => {
    const { meter, poller, ports } = this.#parts;
    const closes = isDue ? ({ closes: true } as const) : {};
    const tick = { type: 'tick', ...meter.read(rollout), ...closes, ...poller.answers(rollout) } as const;
    if (ports.takesTraffic(rollout.service, rollout.to) || !this.#givesMore(rollout, tick)) return tick;
    return { ...tick, stay: true };
  };

  /** It would lead to a stage, or to the promotion: not while the candidate has nobody to take what it would get there. */
  #givesMore(rollout: Rollout, event: RolloutEvent): boolean {
    const { position, transitions } = transition(rollout, event, this.#parts.clock.wallMs()).rollout;
    if (transitions.length === rollout.transitions.length) return false;
    return position.phase === 'progressing' || position.phase === 'promoting';
  }

  #forget(service: string): void {
    const { meter, poller, smoke, recorder } = this.#parts;
    meter.forget(service);
    poller.forget(service);
    smoke.forget(service);
    recorder.forget(service);
  }
}
