import type { HealthConfig } from '../../config/config.ts';
import type { ProbeResult, TargetView } from '../control-plane.ts';

export type Health = TargetView['health'];

export interface HealthState {
  /** `unknown` until `rise` successes or `fall` failures in a row. */
  readonly health: Exclude<Health, 'trusted'>;
  /** In a row, up to the last probe. */
  readonly successes: number;
  readonly failures: number;
  /** Newest first. */
  readonly probes: readonly ProbeResult[];
}

export const UNKNOWN: HealthState = { health: 'unknown', successes: 0, failures: 0, probes: [] };

/** Shown to whoever asks why: by then the process that answered may be gone. */
const PROBES_KEPT = 5;

/** `ageMs`: since the target was first probed; its failures do not count while it may still be starting. */
export function afterProbe(state: HealthState, probe: ProbeResult, config: HealthConfig, ageMs: number): HealthState {
  const probes = [probe, ...state.probes].slice(0, PROBES_KEPT);
  if (probe.ok) {
    const successes = state.successes + 1;
    return { health: successes >= config.rise ? 'healthy' : state.health, successes, failures: 0, probes };
  }
  if (ageMs < config.graceMs) return { ...state, successes: 0, probes };
  const failures = state.failures + 1;
  return { health: failures >= config.fall ? 'unhealthy' : state.health, successes: 0, failures, probes };
}
