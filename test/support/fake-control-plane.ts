import type {
  Applied,
  BusinessReport,
  Command,
  ConfigStatus,
  ControlPlane,
  DeadLetter,
  GroupAction,
  GroupView,
  JournalPage,
  LedgerView,
  LinkedAction,
  Overview,
  RolloutAction,
  RolloutJournal,
  RolloutPreview,
  ServiceView,
  UpstreamTotals,
  UpstreamView,
} from '../../src/app/control-plane.ts';
import type { RolloutPlan } from '../../src/config/config.ts';
import { TealgateError } from '../../src/platform/errors.ts';
import { Journal } from '../../src/rollout/journal.ts';
import { type PowerPlan, powerPlan } from '../../src/rollout/power.ts';
import { ENDED, type Phase, type Position, type Rollout } from '../../src/rollout/rollout.ts';
import type { StoredEvent } from '../../src/store/store.ts';
import type {
  CertificateExpiry,
  EjectionCount,
  MetricsSource,
  NotificationCount,
  TransitionCount,
} from '../../src/telemetry/metrics-source.ts';
import {
  createBlock,
  FINE_SUB,
  METHODS,
  methodCodeCell,
  OUTCOMES,
  type Outcome,
  readBlock,
  readCell,
  SERVICE,
  stripe,
  UPSTREAM,
} from '../../src/traffic/ledger.ts';
import { ERROR_RATE } from './guards.ts';

const PLAN: RolloutPlan = {
  strategy: 'canary',
  smoke: [],
  stages: [
    { weight: 5, holdMs: 1_800_000 },
    { weight: 25, holdMs: 600_000 },
    { weight: 50, holdMs: 600_000 },
    { weight: 100, holdMs: 0 },
  ],
  guards: [ERROR_RATE],
};

/** Signature of the one link that it knows: it promotes the rollout of shop. */
export const FAKE_LINK = 'signed-by-the-fake';

interface FakeUpstream {
  name: string;
  weight: number;
  draining: boolean;
  drainSince: number;
  targets: readonly string[];
  health: 'trusted' | 'healthy' | 'unhealthy';
  readonly block: SharedArrayBuffer;
}

interface FakeService {
  name: string;
  version: number;
  stable: string;
  upstreams: Map<string, FakeUpstream>;
  rollouts: Rollout[];
  readonly block: SharedArrayBuffer;
}

export interface FakeTraffic {
  readonly method?: (typeof METHODS)[number];
  readonly code?: number;
  readonly outcome?: Outcome;
  readonly durationMs?: number;
}

/**
 * A gate in memory, for tests of what stands on top of one: it keeps weights, targets, rollouts and events like the real
 * one, counts into real ledger blocks, and serves no traffic.
 */
export class FakeControlPlane implements ControlPlane, MetricsSource {
  readonly unrouted = createBlock(SERVICE.size, 2);
  now = Date.UTC(2026, 0, 2, 3, 4, 5);
  isReady = true;
  nextReload: Partial<ConfigStatus> = {};
  dead: readonly DeadLetter[] = [
    {
      id: 'msg_1',
      webhook: 'chat',
      event: { id: 1, type: 'rollout.paused', service: 'shop', at: this.now },
      attempts: 12,
      error: 'answered 500',
      deadAt: this.now,
    },
  ];
  private version = 1;
  private config: ConfigStatus = {
    path: '/etc/tealgate/tealgate.yaml',
    lastReloadSuccessful: true,
    loadedAt: this.now,
    errors: [],
    changes: [],
  };
  private readonly servicesByName = new Map<string, FakeService>();
  private readonly trail: StoredEvent[] = [];
  private readonly watchers = new Set<(events: readonly StoredEvent[]) => void>();
  private readonly waiters = new Set<() => void>();
  /** As the metrics have it. */
  ejected: readonly EjectionCount[] = [];
  private readonly entered = new Map<string, TransitionCount>();

  constructor() {
    this.addService('shop', {
      blue: ['http://127.0.0.1:3001', 'http://127.0.0.1:3002'],
      green: ['http://127.0.0.1:4001'],
    });
  }

  /** The first upstream is stable and has weight 100. */
  addService(name: string, upstreams: Record<string, string[]>): void {
    const [stable = ''] = Object.keys(upstreams);
    const entries = Object.entries(upstreams).map(([upstream, targets]): [string, FakeUpstream] => [
      upstream,
      {
        name: upstream,
        weight: upstream === stable ? 100 : 0,
        draining: false,
        drainSince: 0,
        targets,
        health: 'healthy',
        block: createBlock(UPSTREAM.size, 2),
      },
    ]);
    const block = createBlock(SERVICE.size, 2);
    this.servicesByName.set(name, { name, version: 1, stable, upstreams: new Map(entries), rollouts: [], block });
  }

  /** Counts one request that ended. */
  count(service: string, upstream: string, traffic: FakeTraffic = {}): void {
    const { method = 'GET', code = 200, outcome = code < 500 ? 'ok' : 'server_error', durationMs = 12 } = traffic;
    const of = this.find(service);
    add(of.block, SERVICE.size, SERVICE.accepted, 1);
    add(of.block, SERVICE.size, SERVICE.outcomes + OUTCOMES.indexOf(outcome), 1);
    const block = this.upstream(of, upstream).block;
    const cell = (at: number, by = 1) => add(block, UPSTREAM.size, at, by);
    cell(UPSTREAM.requests);
    cell(UPSTREAM.trials);
    if (outcome !== 'ok' && outcome !== 'client_abort') cell(UPSTREAM.errors);
    cell(methodCodeCell(METHODS.indexOf(method), code));
    cell(UPSTREAM.requestDuration + (durationMs < 5 ? 0 : 2));
    cell(UPSTREAM.requestDuration + 15, durationMs / 1000);
    cell(UPSTREAM.fine + Math.min(383, Math.round(Math.log2(durationMs * 1000 + 1) * FINE_SUB)));
  }

  /** Begins `n` requests (or ends them, when negative) without an outcome. */
  hold(service: string, upstream: string, n: number): void {
    const of = this.find(service);
    if (n > 0) add(of.block, SERVICE.size, SERVICE.accepted, n);
    else add(of.block, SERVICE.size, SERVICE.outcomes, -n);
    add(this.upstream(of, upstream).block, UPSTREAM.size, UPSTREAM.inFlight, n);
    for (const wake of this.waiters) wake();
  }

  setHealth(service: string, upstream: string, health: FakeUpstream['health']): void {
    this.upstream(this.find(service), upstream).health = health;
  }

  /** Changes the newest rollout as the runner would. */
  moveRollout(service: string, position: Position, reason: string, change: Partial<Rollout> = {}): void {
    const of = this.find(service);
    const rollout = of.rollouts[0];
    if (rollout === undefined) throw new Error('no rollout');
    of.rollouts[0] = { ...this.moved(rollout, position, reason, 'tealgate'), ...change };
    this.emit(`rollout.${position.phase}`, service, 'tealgate', { reason });
  }

  emit(type: string, service: string | null, actor: string, data: Record<string, unknown> = {}): void {
    const event = { id: this.trail.length + 1, type, service, actor, at: this.now, data };
    this.trail.push(event);
    for (const notify of this.watchers) notify([event]);
  }

  overview(): Overview {
    return {
      version: this.version,
      startedAt: this.now - 3_600_000,
      workers: [
        { index: 0, state: 'serving', restarts: 0 },
        { index: 1, state: 'serving', restarts: 2 },
      ],
      config: this.config,
      unrouted: ledgerView(this.unrouted),
      services: Object.fromEntries([...this.servicesByName.keys()].map((name) => [name, this.service(name)])),
    };
  }

  upstreamTotals(): readonly UpstreamTotals[] {
    return Object.values(this.overview().services).flatMap(({ name: service, upstreams }) =>
      Object.values(upstreams).map(({ name: upstream, requests, trials, errors }) => {
        return { service, upstream, requests, trials, errors };
      }),
    );
  }

  service(name: string): ServiceView {
    const of = this.find(name);
    return {
      name,
      version: of.version,
      hosts: [`${name}.example.com`],
      paths: ['/'],
      stable: of.stable,
      upstreams: Object.fromEntries([...of.upstreams.values()].map((u) => [u.name, this.upstreamView(of, u)])),
      rollout: of.rollouts[0] ?? null,
      rollouts: of.rollouts,
      ledger: ledgerView(of.block),
      overrides: of.version > 1 ? ['weights'] : [],
    };
  }

  power(service: string, plan: RolloutPlan): PowerPlan {
    this.find(service);
    return powerPlan(plan, { requestsPerSecond: null, stableErrorRate: null });
  }

  async previewRollout(
    service: string,
    to: string,
    _plan: unknown,
    { requestsPerSecond }: { readonly requestsPerSecond?: number },
  ): Promise<RolloutPreview> {
    const of = this.find(service);
    this.upstream(of, to);
    const power = powerPlan(PLAN, { requestsPerSecond: requestsPerSecond ?? null, stableErrorRate: null });
    return { service, from: of.stable, to, plan: PLAN, power, obstacles: [], stops: ['an operator'] };
  }

  rollout(service: string, id: string): Rollout {
    const { rollouts } = this.find(service);
    const found = id === 'current' ? rollouts[0] : rollouts.find((rollout) => rollout.id === id);
    if (found === undefined) throw new TealgateError('not_found', `${service} has no rollout ${id}`);
    return found;
  }

  /** The state as it is, and nothing before it. */
  journal(service: string, id: string, { after }: JournalPage): RolloutJournal {
    const rollout = this.rollout(service, id);
    const [state] = new Journal().entries([{ before: null, after: rollout, input: null }], this.now);
    return { rollout, entries: state === undefined || after > 0 ? [] : [{ ...state, id: 1 }] };
  }

  setWeights(service: string, weights: Readonly<Record<string, number>>, by: Command): Promise<Applied> {
    return this.apply(service, by, 'weights.changed', (of) => {
      if (running(of) !== null) throw new TealgateError('conflict', `a rollout of ${service} is running`);
      for (const [name, weight] of Object.entries(weights)) this.upstream(of, name).weight = weight;
    });
  }

  switchTo(service: string, to: string, by: Command & { readonly force?: boolean }): Promise<Applied> {
    return this.apply(service, by, 'traffic.switched', (of) => {
      const target = this.upstream(of, to);
      if (target.health === 'unhealthy' && by.force !== true) {
        throw new TealgateError('conflict', `${to} has no healthy target; force switches all the same`);
      }
      for (const upstream of of.upstreams.values()) this.setTraffic(upstream, upstream === target);
      of.stable = to;
    });
  }

  drain(service: string, upstream: string, by: Command): Promise<Applied> {
    return this.apply(service, by, 'upstream.draining', (of) => this.setDraining(this.upstream(of, upstream), true));
  }

  enable(service: string, upstream: string, by: Command): Promise<Applied> {
    return this.apply(service, by, 'upstream.enabled', (of) => this.setDraining(this.upstream(of, upstream), false));
  }

  evict(service: string, upstream: string, by: Command): Promise<Applied> {
    return this.apply(service, by, 'upstream.evicted', (of) => void this.upstream(of, upstream));
  }

  setTargets(service: string, upstream: string, targets: readonly string[], by: Command): Promise<Applied> {
    return this.apply(service, by, 'targets.changed', (of) => {
      this.upstream(of, upstream).targets = targets;
    });
  }

  reportBusiness(service: string, report: BusinessReport): BusinessReport {
    this.upstream(this.find(service), report.upstream);
    return report;
  }

  waitDrained(service: string, upstream: string, signal: AbortSignal): Promise<void> {
    const { block } = this.upstream(this.find(service), upstream);
    const empty = () => readCell(block, UPSTREAM.size, UPSTREAM.inFlight) === 0;
    if (empty()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const wake = () => {
        if (!empty()) return;
        this.waiters.delete(wake);
        resolve();
      };
      this.waiters.add(wake);
      signal.addEventListener('abort', () => {
        this.waiters.delete(wake);
        reject(signal.reason);
      });
    });
  }

  /** How many calls wait for a drain. */
  get waiting(): number {
    return this.waiters.size;
  }

  async startRollout(service: string, to: string, plan: unknown, by: Command): Promise<Rollout> {
    await this.apply(service, by, 'rollout.started', (of) => {
      if (running(of) !== null) throw new TealgateError('conflict', `a rollout of ${service} is running`);
      if (to === of.stable) throw new TealgateError('conflict', `${to} is stable already`);
      this.upstream(of, to);
      const rollout = this.newRollout(of, to, plan, by.actor);
      of.rollouts.unshift(this.moved(rollout, { phase: 'progressing', stage: 0, heldMs: 0 }, 'started', by.actor));
      this.share(of, to, PLAN.stages[0]?.weight ?? 0);
    });
    return this.newest(service);
  }

  async operateRollout(service: string, action: RolloutAction, by: Command): Promise<Rollout> {
    this.newest(service);
    await this.apply(service, by, `rollout.${action}`, (of) => {
      const rollout = running(of);
      if (rollout === null) return;
      of.rollouts[0] = this.operated(of, rollout, action, by.actor);
    });
    return this.newest(service);
  }

  /** There is one group, `release`, of one service, `shop`. */
  groups(): Readonly<Record<string, GroupView>> {
    return { release: this.group('release') };
  }

  group(name: string): GroupView {
    if (name !== 'release') throw new TealgateError('not_found', `there is no group "${name}" in the configuration`);
    const group = { name, id: 'g1', services: ['shop'] };
    const { rollout } = this.service('shop');
    return { name, services: group.services, rollouts: rollout === null ? [] : [{ ...rollout, group }] };
  }

  async startGroupRollout(
    group: string,
    to: string | Readonly<Record<string, string>>,
    plan: unknown,
    by: Command,
  ): Promise<GroupView> {
    await this.startRollout('shop', typeof to === 'string' ? to : (to.shop ?? ''), plan, by);
    return this.group(group);
  }

  async operateGroup(group: string, action: GroupAction, by: Command): Promise<GroupView> {
    await this.operateRollout('shop', action, by);
    return this.group(group);
  }

  async undoGroup(group: string, by: Command): Promise<GroupView> {
    await this.undo('shop', by);
    return this.group(group);
  }

  undo(service: string, by: Command): Promise<Applied> {
    return this.apply(service, by, 'rollout.undone', (of) => {
      const promoted = of.rollouts.find(({ position }) => position.phase === 'promoted');
      if (promoted === undefined) throw new TealgateError('conflict', `${service} has no promoted rollout to undo`);
      of.stable = promoted.from;
      this.share(of, promoted.from, 100);
    });
  }

  linkedAction(signature: string): LinkedAction {
    const { rollout } = this.service('shop');
    if (signature !== FAKE_LINK) throw new TealgateError('forbidden', 'this link was not signed by this gate');
    if (rollout === null) throw new TealgateError('conflict', 'this link does nothing any more');
    return { action: 'promote', service: 'shop', rollout, sentTo: 'chat', expiresAt: this.now + 1000 };
  }

  async followLink(signature: string): Promise<Rollout> {
    const { action, service } = this.linkedAction(signature);
    return this.operateRollout(service, action, { actor: 'link:chat' });
  }

  deadLetters(): readonly DeadLetter[] {
    return this.dead;
  }

  async redeliver(id: string, by: Command): Promise<void> {
    if (!this.dead.some((letter) => letter.id === id)) throw new TealgateError('not_found', `no dead letter ${id}`);
    this.dead = this.dead.filter((letter) => letter.id !== id);
    this.emit('notification.redelivered', null, by.actor, { id });
  }

  async reload(by: Command): Promise<ConfigStatus> {
    this.config = { ...this.config, lastReloadSuccessful: true, errors: [], changes: [], ...this.nextReload };
    this.emit('config.reloaded', null, by.actor);
    return this.config;
  }

  events(since: number): readonly StoredEvent[] {
    return this.trail.slice(since, since + 1000);
  }

  watchEvents(since: number, onEvents: (events: readonly StoredEvent[]) => void, signal: AbortSignal): void {
    const missed = this.trail.slice(since);
    if (missed.length > 0) onEvents(missed);
    this.watchers.add(onEvents);
    signal.addEventListener('abort', () => this.watchers.delete(onEvents));
  }

  /** How many watch the events. */
  get watching(): number {
    return this.watchers.size;
  }

  ready(): boolean {
    return this.isReady;
  }

  *blocks(): ReturnType<MetricsSource['blocks']> {
    for (const { name, block, upstreams } of this.servicesByName.values()) {
      yield { service: name, serviceBlock: block, upstreams: upstreams.values() };
    }
  }

  notifications(): Iterable<NotificationCount> {
    return [{ webhook: 'chat', waiting: 0, dead: this.dead.length }];
  }

  certificates(): Iterable<CertificateExpiry> {
    return [{ listener: ':8443', certificate: '/etc/tls/shop.pem', expiresAt: 1_800_000_000_000 }];
  }

  ejections(): Iterable<EjectionCount> {
    return this.ejected;
  }

  transitions(): Iterable<TransitionCount> {
    return this.entered.values();
  }

  private async apply(name: string, by: Command, type: string, change: (of: FakeService) => void): Promise<Applied> {
    const of = this.find(name);
    if (by.ifVersion !== undefined && by.ifVersion !== of.version) {
      throw new TealgateError('precondition_failed', `${name} is at version ${of.version}`);
    }
    change(of);
    of.version = ++this.version;
    this.emit(type, name, by.actor);
    return { version: this.version, service: this.service(name) };
  }

  private find(name: string): FakeService {
    const of = this.servicesByName.get(name);
    if (of === undefined) throw new TealgateError('not_found', `no service is named ${name}`);
    return of;
  }

  private upstream(of: FakeService, name: string): FakeUpstream {
    const upstream = of.upstreams.get(name);
    if (upstream === undefined) throw new TealgateError('not_found', `${of.name} has no upstream ${name}`);
    return upstream;
  }

  private newest(service: string): Rollout {
    const rollout = this.find(service).rollouts[0];
    if (rollout === undefined) throw new TealgateError('not_found', `${service} never had a rollout`);
    return rollout;
  }

  private setTraffic(upstream: FakeUpstream, all: boolean): void {
    this.setDraining(upstream, !all && upstream.weight > 0);
    upstream.weight = all ? 100 : 0;
  }

  private setDraining(upstream: FakeUpstream, draining: boolean): void {
    upstream.draining = draining;
    upstream.drainSince = this.now;
  }

  private share(of: FakeService, to: string, weight: number): void {
    for (const upstream of of.upstreams.values()) {
      if (upstream.name === to) upstream.weight = weight;
      else upstream.weight = upstream.name === of.stable || weight === 100 ? 100 - weight : 0;
    }
  }

  private newRollout(of: FakeService, to: string, plan: unknown, actor: string): Rollout {
    const given =
      typeof plan === 'object' && plan !== null && 'strategy' in plan ? { strategy: 'blue-green' as const } : {};
    return {
      id: `r${of.rollouts.length + 1}`,
      service: of.name,
      from: of.stable,
      to,
      plan: { ...PLAN, ...given },
      actor,
      startedAt: this.now,
      position: { phase: 'pending' },
      counts: { candidate: { trials: 0, errors: 0 }, stable: { trials: 0, errors: 0 } },
      guards: [],
      guardStates: {},
      transitions: [],
    };
  }

  private operated(of: FakeService, rollout: Rollout, action: RolloutAction, actor: string): Rollout {
    const { position } = rollout;
    const move = (next: Position) => this.moved(rollout, next, `${action} by ${actor}`, actor);
    if (action === 'pause' && position.phase === 'progressing') {
      return move({ ...position, phase: 'paused', reason: `paused by ${actor}`, sinceAt: this.now });
    }
    if (action === 'resume' && position.phase === 'paused') {
      return move({ phase: 'progressing', stage: position.stage, heldMs: position.heldMs });
    }
    if (action === 'promote') {
      of.stable = rollout.to;
      this.share(of, rollout.to, 100);
      return move({ phase: 'promoted', stage: 3, reason: `promoted by ${actor}`, endedAt: this.now });
    }
    if (action === 'abort') {
      this.share(of, rollout.from, 100);
      return move({ phase: 'aborted', stage: 0, reason: `aborted by ${actor}`, endedAt: this.now });
    }
    return rollout;
  }

  private moved(rollout: Rollout, position: Position, reason: string, actor: string): Rollout {
    const { phase: from } = rollout.position;
    const stage = 'stage' in position ? position.stage : 0;
    const transition = { at: this.now, from, to: position.phase, stage, reason, actor, evidence: rollout.guards };
    this.enter(rollout.service, position.phase, reason);
    return { ...rollout, position, transitions: [...rollout.transitions, transition] };
  }

  private enter(service: string, to: Phase, reason: string): void {
    const key = `${service} ${to} ${reason}`;
    this.entered.set(key, { service, to, reason, count: (this.entered.get(key)?.count ?? 0) + 1 });
  }

  private upstreamView(of: FakeService, upstream: FakeUpstream): UpstreamView {
    const cells = readBlock(upstream.block, UPSTREAM.size);
    const cell = (at: number) => cells[at] ?? 0;
    const { name, weight, draining, drainSince, targets } = upstream;
    const inFlight = cell(UPSTREAM.inFlight);
    const share = 1 / Math.max(1, targets.length);
    return {
      name,
      role: of.stable === name ? 'stable' : running(of)?.to === name ? 'candidate' : 'idle',
      weight,
      admin: draining ? 'draining' : 'enabled',
      drain: draining ? { sinceAt: drainSince, deadlineAt: drainSince + 30_000, drained: inFlight === 0 } : null,
      inFlight,
      upgrades: cell(UPSTREAM.upgrades),
      pins: cell(UPSTREAM.pins),
      requests: cell(UPSTREAM.requests),
      trials: cell(UPSTREAM.trials),
      errors: cell(UPSTREAM.errors),
      retries: cell(UPSTREAM.retries),
      latencyMs: cell(UPSTREAM.requests) === 0 ? { p50: 0, p99: 0 } : { p50: 11.4, p99: 48.2 },
      recentLatencyMs: cell(UPSTREAM.requests) === 0 ? null : { p50: 11.4, p99: 48.2 },
      targets: targets.map((url, i) => ({
        url,
        health: upstream.health,
        admin: draining ? 'draining' : 'enabled',
        ejection: { ejected: false, untilAt: null },
        inFlight: i === 0 ? inFlight : 0,
        upgrades: i === 0 ? cell(UPSTREAM.upgrades) : 0,
        connections: 4,
        attempts: Math.round(cell(UPSTREAM.trials) * share),
        failures: Math.round(cell(UPSTREAM.errors) * share),
        probes: [
          {
            at: this.now - 1200,
            ok: upstream.health !== 'unhealthy',
            status: upstream.health === 'unhealthy' ? 500 : 200,
            durationMs: 1.8,
            detail: upstream.health === 'unhealthy' ? '<b>database</b> is down' : '',
          },
        ],
      })),
    };
  }
}

function running(of: FakeService): Rollout | null {
  const rollout = of.rollouts[0];
  return rollout === undefined || ENDED.has(rollout.position.phase) ? null : rollout;
}

function add(block: SharedArrayBuffer, size: number, cell: number, by: number): void {
  const cells = stripe(block, size, 0);
  cells[cell] = (cells[cell] ?? 0) + by;
}

function ledgerView(block: SharedArrayBuffer): LedgerView {
  const cells = readBlock(block, SERVICE.size);
  const counts = OUTCOMES.map((outcome, i): [Outcome, number] => [outcome, cells[SERVICE.outcomes + i] ?? 0]);
  const accepted = cells[SERVICE.accepted] ?? 0;
  const ended = counts.reduce((sum, [, count]) => sum + count, 0);
  // Every outcome has an entry, which fromEntries cannot know.
  return { accepted, inFlight: accepted - ended, outcomes: Object.fromEntries(counts) as LedgerView['outcomes'] };
}
