import type { Clock } from '../platform/clock.ts';
import type { Poller } from './poller.ts';
import type { RolloutPorts, RolloutUpdate } from './ports.ts';
import { type RolloutEvent, transition } from './reducer.ts';
import type { Rollout } from './rollout.ts';
import { transitionTogether } from './together.ts';
import { told } from './told.ts';

/** Counts and holds that grew are stored this often; whatever changes a verdict or a phase is stored at once. */
const PERSIST_MS = 1000;

export interface RecorderParts {
  readonly ports: Pick<RolloutPorts, 'update' | 'updateTogether'>;
  readonly clock: Clock;
  readonly poller: Pick<Poller, 'stored' | 'hasUrgent'>;
}

/** What happened to a rollout as it is then. `isDue`: it is stored, whatever it is. */
export type Happened<Event> = (current: Rollout, isDue: boolean) => Event;

/** Tells the reducer what happened, and has what comes of it stored: at once, or when it is due. */
export class Recorder {
  readonly #parts: RecorderParts;
  readonly #persistedMs = new Map<string, number>();

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /** True when the rollout moved. What merely grew is stored when it is due. */
  async note(rollout: Rollout, happened: Happened<RolloutEvent>): Promise<boolean> {
    const { clock, poller } = this.#parts;
    const isDue = this.#isDue(rollout);
    const seen = transition(rollout, happened(rollout, isDue), clock.wallMs());
    if (!isWorthStoring(rollout, seen, isDue || poller.hasUrgent(rollout.service))) return false;
    return this.record(rollout, (current) => happened(current, isDue));
  }

  /** As `note`, for rollouts that go together: told to all of them or to none. */
  async noteTogether(members: readonly Rollout[], happened: Happened<RolloutEvent | null>): Promise<boolean> {
    const { ports, clock, poller } = this.#parts;
    const isDue = members.some((member) => this.#isDue(member));
    let events: readonly (RolloutEvent | null)[] = [];
    const tell = (rollouts: readonly Rollout[]): readonly RolloutUpdate[] => {
      events = rollouts.map((rollout) => happened(rollout, isDue));
      return transitionTogether(
        rollouts.map((rollout, i) => ({ rollout, event: events[i] ?? null })),
        clock.wallMs(),
      );
    };
    const seen = tell(members);
    const isWorth = isDue || members.some(({ service }) => poller.hasUrgent(service));
    if (!seen.some((update, i) => isWorthStoring(members[i], update, isWorth))) return false;
    const outcome = { stored: false, moved: false };
    const services = members.map(({ service }) => service);
    await ports.updateTogether(services, (rollouts) => {
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
   * Tells the reducer on the rollout as it is when its turn comes; another one by then, and the news is not for it. True
   * when the rollout moved.
   */
  async record(rollout: Rollout, happened: (current: Rollout) => RolloutEvent): Promise<boolean> {
    const { ports, clock } = this.#parts;
    const { service, id } = rollout;
    const outcome: { event: RolloutEvent | null; moved: boolean } = { event: null, moved: false };
    await ports.update(service, (current) => {
      outcome.event = null;
      if (current?.id !== id) return null;
      const event = happened(current);
      const update = told(current, event, clock.wallMs());
      if (update.rollout === current && update.events.length === 0) return null;
      outcome.event = event;
      outcome.moved = hasMoved(update.rollout, current);
      return update;
    });
    if (outcome.event === null) return false;
    this.#stored(service, outcome.event);
    return outcome.moved;
  }

  forget(service: string): void {
    this.#persistedMs.delete(service);
  }

  #isDue({ service }: Rollout): boolean {
    const persistedMs = this.#persistedMs.get(service) ?? Number.NEGATIVE_INFINITY;
    return this.#parts.clock.monotonicMs() - persistedMs >= PERSIST_MS;
  }

  /**
   * A look that stored something before it was due does not put off the next that is: when stretches of time end must
   * have nothing to do with what was seen in them.
   */
  #stored(service: string, event: RolloutEvent | null): void {
    const { clock, poller } = this.#parts;
    if (event?.type === 'tick') poller.stored(service, event);
    if (event?.type !== 'tick' || event.closes === true) this.#persistedMs.set(service, clock.monotonicMs());
  }
}

/** What merely grew is stored when it is due. */
function isWorthStoring(
  before: Rollout | undefined,
  { rollout, events, changes }: RolloutUpdate,
  isDue: boolean,
): boolean {
  return events.length > 0 || changes.length > 0 || (isDue && rollout !== before);
}

function hasMoved(rollout: Rollout, before: Rollout | undefined): boolean {
  return rollout.transitions.length > (before?.transitions.length ?? 0);
}
