import { setTimeout as sleep } from 'node:timers/promises';
import type { HealthConfig } from '../../config/config.ts';
import type { Clock } from '../../platform/clock.ts';
import { sameTls, type TargetTls } from '../../platform/tls.ts';
import type { ProbeResult } from '../control-plane.ts';
import { sameValue } from '../desired/equal.ts';
import { probeHealth } from './probe.ts';
import { afterProbe, type Health, type HealthState, UNKNOWN } from './verdict.ts';

export interface CheckedTarget {
  readonly id: number;
  readonly url: string;
  /** For an `https:` or `h2:` URL. */
  readonly tls: TargetTls;
  readonly service: string;
  readonly upstream: string;
  /** Null: trusted without asking. */
  readonly health: HealthConfig | null;
}

export interface HealthChange {
  readonly target: CheckedTarget;
  readonly before: Health;
  readonly after: Health;
  readonly probe: ProbeResult;
}

/** Asks every target again and again; a target that stays keeps what is known of it, over reloads too. */
export interface HealthChecker {
  update(targets: readonly CheckedTarget[]): void;
  health(targetId: number): Health;
  /** Newest first, at most 5. */
  probes(targetId: number): readonly ProbeResult[];
  close(): void;
}

export interface HealthCheckerOptions {
  readonly clock: Clock;
  /** 0 to 1: spreads the probes, so that many targets are not asked at once. */
  readonly random: () => number;
  readonly onChange: (change: HealthChange) => void;
}

/** Share of the interval by which a pause varies to both sides. */
const JITTER = 0.1;
/** The first probes after a start are spread over this. */
const SPREAD_MS = 200;

interface Checked {
  target: CheckedTarget;
  state: HealthState;
  readonly sinceMs: number;
  loop: AbortController | null;
}

export function createHealthChecker(options: HealthCheckerOptions): HealthChecker {
  const { clock, random } = options;
  const checked = new Map<number, Checked>();

  const check = async (entry: Checked, config: HealthConfig, signal: AbortSignal): Promise<void> => {
    await pause(random() * Math.min(SPREAD_MS, config.intervalMs), signal);
    while (!signal.aborted) {
      const probe = await probeHealth(entry.target, config, clock, signal);
      if (signal.aborted) return;
      const before = entry.state.health;
      if (!probe.notAsked) entry.state = afterProbe(entry.state, probe, config, clock.monotonicMs() - entry.sinceMs);
      const after = entry.state.health;
      if (after !== before) options.onChange({ target: entry.target, before, after, probe });
      await pause(config.intervalMs * (1 - JITTER + 2 * JITTER * random()), signal);
    }
  };

  const restart = (entry: Checked): void => {
    entry.loop?.abort();
    entry.loop = null;
    const { health } = entry.target;
    if (health === null) return;
    entry.loop = new AbortController();
    void check(entry, health, entry.loop.signal);
  };

  const add = (target: CheckedTarget): void => {
    const entry: Checked = { target, state: UNKNOWN, sinceMs: clock.monotonicMs(), loop: null };
    checked.set(target.id, entry);
    restart(entry);
  };

  const keep = (entry: Checked, target: CheckedTarget): void => {
    const same = sameValue(entry.target.health, target.health) && sameTls(entry.target.tls, target.tls);
    // Nobody asked meanwhile: what was known of it before says nothing.
    if (entry.target.health === null) entry.state = UNKNOWN;
    entry.target = target;
    if (!same) restart(entry);
  };

  const remove = (id: number): void => {
    checked.get(id)?.loop?.abort();
    checked.delete(id);
  };

  return {
    update(targets) {
      const kept = new Set(targets.map(({ id }) => id));
      for (const id of [...checked.keys()]) if (!kept.has(id)) remove(id);
      for (const target of targets) {
        const entry = checked.get(target.id);
        if (entry === undefined) add(target);
        else keep(entry, target);
      }
    },
    health(targetId) {
      const entry = checked.get(targetId);
      return entry === undefined || entry.target.health === null ? 'trusted' : entry.state.health;
    },
    probes: (targetId) => checked.get(targetId)?.state.probes ?? [],
    close() {
      for (const id of [...checked.keys()]) remove(id);
    },
  };
}

/** Ends early when the signal does. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
