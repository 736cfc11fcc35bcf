import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../platform/clock.ts';
import { type Poll, pollsOf, waitOf } from './polls.ts';
import type { Tick } from './progress.ts';
import type { Rollout } from './rollout.ts';

export interface PollerParts {
  readonly clock: Clock;
  /** As it is stored now. */
  readonly rollout: (service: string) => Rollout | null;
  /** Asks, and comes back with plain JSON. Rejects when the signal ends, and for bugs. */
  readonly ask: (poll: Poll, rollout: Rollout, signal: AbortSignal) => Promise<unknown>;
  /** There is something new for a service. */
  readonly onObserved: (service: string) => void;
  readonly onError: (service: string, error: unknown) => void;
}

/** What others said, for a tick. */
export type Answers = Pick<Tick, 'observations' | 'gate'>;

interface Running {
  readonly poll: Poll;
  readonly stop: AbortController;
  /** Resolves when it has ended. */
  ended: Promise<void>;
  /** The newest answer that the rollout has not taken in; undefined when it has. */
  answer: unknown;
  /** Resolves once the answer was taken in. */
  taken: PromiseWithResolvers<void>;
}

/** After an answer that could not be asked for by a bug of ours. */
const REST_MS = 1000;

/**
 * Asks whom the guards and gates of rollouts name, each on its own and beside the looks at rollouts, so that nobody who is slow to
 * answer holds up anything else. What it finds waits here until a look has stored it; then the next question may follow.
 */
export class Poller {
  readonly #parts: PollerParts;
  readonly #services = new Map<string, Map<string, Running>>();

  constructor(parts: PollerParts) {
    this.#parts = parts;
  }

  /** Asks what the rollout wants where it is now, and nothing else any more on behalf of its service. */
  follow(rollout: Rollout): void {
    const wanted = pollsOf(rollout);
    const before = this.#services.get(rollout.service);
    if (wanted.length === 0 && before === undefined) return;
    const running = before ?? new Map<string, Running>();
    this.#services.set(rollout.service, running);
    for (const [identity, one] of running) {
      if (wanted.some((poll) => poll.identity === identity)) continue;
      end(one);
      running.delete(identity);
    }
    for (const poll of wanted) {
      if (!running.has(poll.identity)) running.set(poll.identity, this.#start(poll, rollout.service));
    }
  }

  /** Answers that the rollout has not taken in, as a tick has them; nothing when there are none. */
  answers(rollout: Rollout): Answers {
    const running = this.#services.get(rollout.service);
    if (running === undefined || running.size === 0) return {};
    const observations: [string, unknown][] = [];
    let gate: unknown;
    for (const poll of pollsOf(rollout)) {
      const answer = running.get(poll.identity)?.answer;
      if (answer === undefined) continue;
      if (poll.kind === 'gate') gate = answer;
      else observations.push([poll.guard.name, answer]);
    }
    return {
      ...(observations.length === 0 ? {} : { observations: Object.fromEntries(observations) }),
      ...(gate === undefined ? {} : { gate }),
    };
  }

  /** These were stored with the rollout. */
  stored(service: string, { observations = {}, gate }: Answers): void {
    const given = new Set([...Object.values(observations), gate]);
    for (const running of this.#services.get(service)?.values() ?? []) {
      if (running.answer === undefined || !given.has(running.answer)) continue;
      running.answer = undefined;
      running.taken.resolve();
    }
  }

  /** Asks nothing on behalf of a service any more. */
  forget(service: string): void {
    for (const running of this.#services.get(service)?.values() ?? []) end(running);
    this.#services.delete(service);
  }

  /** Asks nothing at all any more; resolves when nothing is being asked. */
  async close(): Promise<void> {
    const ended = [...this.#services.values()].flatMap((running) => [...running.values()].map((one) => one.ended));
    for (const service of [...this.#services.keys()]) this.forget(service);
    await Promise.all(ended);
  }

  #start(poll: Poll, service: string): Running {
    const running: Running = {
      poll,
      stop: new AbortController(),
      ended: Promise.resolve(),
      answer: undefined,
      taken: Promise.withResolvers<void>(),
    };
    running.ended = this.#run(running, service);
    return running;
  }

  async #run(running: Running, service: string): Promise<void> {
    const { signal } = running.stop;
    while (!signal.aborted) {
      try {
        await this.#askOnce(running, service, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#parts.onError(service, error);
        await delay(REST_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #askOnce(running: Running, service: string, signal: AbortSignal): Promise<void> {
    const { ask, clock, onObserved } = this.#parts;
    const before = this.#wanting(running, service);
    if (before === null) return this.#drop(running, service);
    await delay(waitOf(running.poll, before, clock.wallMs()), undefined, { signal });
    // The last answer may have been the one that was waited for, and the look that takes note of it yet to come.
    const rollout = this.#wanting(running, service);
    if (rollout === null) return this.#drop(running, service);
    const answer = await ask(running.poll, rollout, signal);
    running.taken = Promise.withResolvers<void>();
    running.answer = answer;
    onObserved(service);
    await running.taken.promise;
  }

  /** The rollout as it is stored; null when it does not want to know any more. */
  #wanting({ poll }: Running, service: string): Rollout | null {
    const rollout = this.#parts.rollout(service);
    if (rollout === null) return null;
    return pollsOf(rollout).some(({ identity }) => identity === poll.identity) ? rollout : null;
  }

  #drop(running: Running, service: string): void {
    end(running);
    const known = this.#services.get(service);
    if (known?.get(running.poll.identity) === running) known.delete(running.poll.identity);
  }
}

function end({ stop, taken }: Running): void {
  stop.abort();
  taken.resolve();
}
