import type { ControlPlane } from '../app/control-plane.ts';
import type { StoredEvent } from '../store/store.ts';

const KEPT = 20;

/** The newest events, for the dashboard and to know where the stream is. Follows until the signal aborts. */
export class RecentEvents {
  private events: readonly StoredEvent[] = [];

  constructor(control: ControlPlane, signal: AbortSignal) {
    control.watchEvents(0, (events) => this.add(events), signal);
  }

  /** Id of the newest event; 0 before the first. */
  get latestId(): number {
    return this.events.at(-1)?.id ?? 0;
  }

  newestFirst(): readonly StoredEvent[] {
    return this.events.toReversed();
  }

  private add(events: readonly StoredEvent[]): void {
    this.events = [...this.events, ...events.slice(-KEPT)].slice(-KEPT);
  }
}
