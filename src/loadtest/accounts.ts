import type { GateReading, UpstreamReading } from './gate-port.ts';

/** What the load saw of all its requests, warm-up included. */
export interface ClientCounts {
  /** Requests that left for a connection that stood. */
  readonly sent: number;
  /** Whole answers. */
  readonly answered: number;
}

/** The load's counts beside those of the gate. */
export interface Accounts extends ClientCounts {
  readonly accepted: number;
  /** Accepted, and ended in another outcome than `lost`. */
  readonly settled: number;
  /** Settled in an outcome that gives the client a whole answer. */
  readonly answeredByGate: number;
  /** Answers that the gate gave and nobody received, or that came for settled requests and the gate knows nothing of. */
  readonly mismatched: number;
  /** sent - settled + mismatched; null when the ledger cannot tell. */
  readonly lost: number | null;
  /** Why it cannot; empty when it can. */
  readonly note: string;
  readonly outcomes: Readonly<Record<string, number>>;
}

/** Outcomes in which the client has no whole answer. `lost` is not settled at all. */
const UNANSWERED: ReadonlySet<string> = new Set(['client_abort', 'cut', 'truncated']);

/** Compares what the client sent with what the gate's ledger gained meanwhile. */
export function settleAccounts(client: ClientCounts, before: GateReading, after: GateReading): Accounts {
  const outcomes = difference(after.outcomes, before.outcomes);
  const accepted = after.accepted - before.accepted;
  const ended = Object.entries(outcomes).filter(([outcome]) => outcome !== 'lost');
  const settled = sum(ended.map(([, n]) => n));
  const answeredByGate = sum(ended.filter(([outcome]) => !UNANSWERED.has(outcome)).map(([, n]) => n));
  const unsettled = client.sent - settled;
  const undelivered = answeredByGate - client.answered;
  // Answers that the gate does not know of are most likely those of requests that it does not know of: counted once.
  const mismatched = undelivered >= 0 ? undelivered : Math.max(0, -undelivered - unsettled);
  const note = whyUnknown(before, after, accepted - client.sent);
  const lost = note === '' ? unsettled + mismatched : null;
  return { ...client, accepted, settled, answeredByGate, mismatched, lost, note, outcomes };
}

function whyUnknown(before: GateReading, after: GateReading, more: number): string {
  if (before.startedAt !== after.startedAt) return 'the gate was restarted, and its counts began anew';
  if (more > 0) return `the gate accepted ${more} more than were sent: something else uses the service`;
  return '';
}

/** What each upstream gained, by name. */
export function upstreamGains(before: GateReading, after: GateReading): Record<string, UpstreamReading> {
  return Object.fromEntries(
    Object.entries(after.upstreams).map(([name, now]) => {
      const was = before.upstreams[name] ?? { requests: 0, trials: 0, errors: 0, retries: 0 };
      const gain = {
        weight: now.weight,
        requests: now.requests - was.requests,
        trials: now.trials - was.trials,
        errors: now.errors - was.errors,
        retries: now.retries - was.retries,
      };
      return [name, gain];
    }),
  );
}

function difference(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>) {
  return Object.fromEntries(Object.entries(after).map(([name, n]) => [name, n - (before[name] ?? 0)]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
