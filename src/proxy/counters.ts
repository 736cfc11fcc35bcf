import { reportsEvent } from '../traffic/business.ts';
import { ClientWindow } from '../traffic/client-window.ts';
import { NO_GRPC } from '../traffic/grpc.ts';
import { latencyBucket } from '../traffic/latency.ts';
import { METHODS, SLOT } from '../traffic/ledger.ts';
import { hasPrefix } from '../traffic/service-matcher.ts';
import type { CountingRule, ServiceRoute } from '../traffic/snapshot.ts';
import { add } from './accounting.ts';
import type { RequestFacts } from './exchange/request-policy.ts';

/** What a rule needs to know of an attempt that is over. */
export interface CountedAttempt {
  /** Of the response head; 0 when there was none. */
  readonly status: number;
  /** Of a gRPC call; NO_GRPC for what is none. */
  readonly grpcStatus: number;
  /** From the pick of a target to the response head, or to the failure. */
  readonly tookMs: number;
  /** What the response reported; empty for nothing. */
  readonly report: string;
}

/** Where an upstream's attempts are counted. */
export interface CountedUpstream {
  readonly route: { readonly id: number };
  readonly slots: Float64Array | null;
}

/** The counting rules of a service, made ready for its requests: what each counts goes to the slot of its place. */
export class Counters {
  /** Kept as long as the rules are the same ones, since clients are remembered here. */
  readonly rules: readonly CountingRule[];
  readonly #counters: readonly Counter[];

  constructor(rules: readonly CountingRule[]) {
    this.rules = rules;
    this.#counters = rules.map((rule, slot) => new Counter(rule, slot * SLOT.size));
  }

  count(upstream: CountedUpstream, request: RequestFacts, attempt: CountedAttempt, isFailure: boolean): void {
    if (upstream.slots === null) return;
    for (const counter of this.#counters) {
      if (counter.matches(request)) counter.count(upstream.slots, upstream.route.id, request, attempt, isFailure);
    }
  }
}

/** A copy was compared: it counts where copies do. */
export function countCopy({ rules }: Counters, { slots }: CountedUpstream, differs: boolean): void {
  const slot = rules.findIndex(({ copies }) => copies === true);
  if (slot < 0 || slots === null) return;
  add(slots, slot * SLOT.size + SLOT.trials, 1);
  if (differs) add(slots, slot * SLOT.size + SLOT.errors, 1);
}

const ERROR = 1;
const IGNORED = 2;
const ANY_METHOD = 2 ** METHODS.length - 1;
const OTHER = METHODS.indexOf('OTHER');

class Counter {
  readonly #rule: CountingRule;
  readonly #at: number;
  /** A bit for each of METHODS. */
  readonly #methods: number;
  /** By status code. */
  readonly #statuses = new Uint8Array(1000);
  /** By upstream, so that what one side got does not keep the other from counting. */
  readonly #clients = new Map<number, ClientWindow>();

  constructor(rule: CountingRule, at: number) {
    this.#rule = rule;
    this.#at = at;
    if (rule.copies === true) this.#methods = 0;
    else
      this.#methods =
        rule.methods.length === 0 ? ANY_METHOD : rule.methods.reduce((bits, name) => bits | bitOf(name), 0);
    for (const [min, max] of rule.errors) this.#statuses.fill(ERROR, min, max + 1);
    for (const [min, max] of rule.ignored) this.#statuses.fill(IGNORED, min, max + 1);
  }

  matches({ method, methodName, path }: RequestFacts): boolean {
    const { methods, paths } = this.#rule;
    if ((this.#methods & (1 << method)) === 0) return false;
    if (method === OTHER && methods.length > 0 && !methods.includes(methodName)) return false;
    if (paths.length === 0) return true;
    for (const prefix of paths) if (hasPrefix(path, prefix)) return true;
    return false;
  }

  count(
    slots: Float64Array,
    upstream: number,
    { client }: RequestFacts,
    attempt: CountedAttempt,
    isFailure: boolean,
  ): void {
    const { status, tookMs, report } = attempt;
    const meaning = this.#statuses[status] as number;
    if (meaning === IGNORED) return;
    if (this.#rule.client !== null && !this.#clientCounts(this.#rule.client, upstream, client)) return;
    const at = this.#at;
    // Trials first, and read last: what is counted meanwhile may add a trial, but nothing without its trial.
    add(slots, at + SLOT.trials, 1);
    if (this.#isError(meaning, attempt, isFailure)) add(slots, at + SLOT.errors, 1);
    if (this.#rule.slowMs > 0 && tookMs > this.#rule.slowMs) add(slots, at + SLOT.slow, 1);
    if (report !== '' && this.#rule.event !== null && reportsEvent(report, this.#rule.event)) {
      add(slots, at + SLOT.events, 1);
    }
    if (this.#rule.timed) add(slots, at + SLOT.buckets + latencyBucket(tookMs * 1000), 1);
  }

  #isError(meaning: number, { status, grpcStatus }: CountedAttempt, isFailure: boolean): boolean {
    if (meaning === ERROR) return true;
    if (grpcStatus !== NO_GRPC && this.#rule.grpc !== null) return this.#rule.grpc.includes(grpcStatus);
    // A failure below 500 is one without an answer, with one that broke off, or of gRPC.
    return isFailure && status < 500;
  }

  #clientCounts({ most, perMs }: NonNullable<CountingRule['client']>, upstream: number, client: string): boolean {
    let window = this.#clients.get(upstream);
    if (window === undefined) {
      window = new ClientWindow(most, perMs);
      this.#clients.set(upstream, window);
    }
    return window.admits(client, performance.now());
  }
}

const BITS: ReadonlyMap<string, number> = new Map(METHODS.map((name, i) => [name, 1 << i]));

function bitOf(method: string): number {
  return BITS.get(method) ?? 1 << OTHER;
}

/** The same counters as before while rules and rollout are the same, so that each begins with clients that count; null without rules. */
export function keepCounters(
  { counting, salt }: ServiceRoute,
  before: { readonly route: ServiceRoute; readonly counters: Counters | null } | undefined,
): Counters | null {
  if (counting === undefined || counting.length === 0) return null;
  const kept = before?.route.salt === salt ? before.counters : null;
  return kept !== null && JSON.stringify(kept.rules) === JSON.stringify(counting) ? kept : new Counters(counting);
}
