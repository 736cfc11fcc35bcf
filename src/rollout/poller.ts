import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../platform/clock.ts';
import { type Answer, isUrgent, together, without } from './answer.ts';
import type { Asking } from './ask.ts';
import { answersTo, type Poll, pollsOf, waitOf } from './polls.ts';
import type { Tick } from './progress.ts';
import type { Rollout } from './rollout.ts';

export interface PollerParts {
  readonly clock: Clock;
  /** As it is stored now. */
  readonly rollout: (service: string) => Rollout | null;
  /** Asks, and comes back with plain JSON. Rejects when the signal ends, and for bugs. */
  readonly ask: (asking: Asking, signal: AbortSignal) => Promise<Answer>;
  /** There is something new for a service. */
  readonly onObserved: (service: string) => void;
  readonly onError: (service: string, error: unknown) => void;
}

/** What others said, for a tick. */
export type Answers = Pick<Tick, 'observations' | 'gate'>;
const NO_ANSWERS: Answers = {};

interface Running {
  readonly poll: Poll;
  readonly stop: AbortController;
  /** Of the question that was asked last, from 1. */
  number: number;
  /** Resolves when it has ended. */
  ended: Promise<void>;
  /** The newest answer that the rollout has not taken in, for all of those; undefined when it has. */
  answer: Answer | undefined;
  /** That answer may change something, so that a look must store it. */
  isUrgent: boolean;
  /** Resolves once the answer was taken in. */
  taken: PromiseWithResolvers<void>;
}

/** After an answer that could not be asked for by a bug of ours. */
const REST_MS = 1000;

/**
 * Asks whom the guards and gates of rollouts name, each on its own and beside the looks at rollouts, so that nobody who is slow to
 * answer holds up anything else. What it finds waits here until a look has stored it. After what may change something the
 * next question follows only then; of what does not, the newest stands for those before it.
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
    if (running === undefined || running.size === 0) return NO_ANSWERS;
    const observations: [string, Answer][] = [];
    let gate: Answer | undefined;
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

  /** Whether there is an answer that must not wait. */
  hasUrgent(service: string): boolean {
    return [...(this.#services.get(service)?.values() ?? [])].some(({ answer, isUrgent }) => {
      return answer !== undefined && isUrgent;
    });
  }

  /** These were stored with the rollout. */
  stored(service: string, { observations = {}, gate }: Answers): void {
    for (const running of this.#services.get(service)?.values() ?? []) {
      const { poll, answer } = running;
      // As `answers` gave them.
      const told = (poll.kind === 'gate' ? gate : observations[poll.guard.name]) as Answer | undefined;
      if (told === undefined || answer === undefined) continue;
      // Otherwise a newer one has come meanwhile.
      running.answer = answer === told ? undefined : without(answer, told);
      if (answer === told) running.taken.resolve();
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
      number: 0,
      answer: undefined,
      isUrgent: false,
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
    const { poll } = running;
    const waitMs = running.answer === undefined ? waitOf(poll, before, clock.wallMs()) : poll.intervalMs;
    await delay(waitMs, undefined, { signal });
    // The last answer may have been the one that was waited for, and the look that takes note of it yet to come.
    const rollout = this.#wanting(running, service);
    if (rollout === null) return this.#drop(running, service);
    running.number = Math.max(running.number, answersTo(poll, rollout).asked) + 1;
    const answer = await ask({ poll, rollout, number: running.number }, signal);
    running.answer = together(running.answer, answer);
    running.isUrgent = isUrgent(poll, this.#wanting(running, service) ?? rollout, answer);
    if (!running.isUrgent) return;
    running.taken = Promise.withResolvers<void>();
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
