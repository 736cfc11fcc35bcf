import type { Clock } from '../platform/clock.ts';
import type { RolloutPorts } from './ports.ts';
import type { Rollout, SmokeResult } from './rollout.ts';
import type { runSmoke } from './smoke.ts';

export interface SmokeDeskOptions {
  readonly clock: Clock;
  /** Sends the requests. */
  readonly smoke: typeof runSmoke;
  /** Ends those that are under way. */
  readonly signal: AbortSignal;
}

/**
 * Has smoke requests sent once per rollout and process, so that a store that fails does not make us ask the candidate again
 * and again.
 */
export class SmokeDesk {
  readonly #ports: Pick<RolloutPorts, 'targets' | 'tls'>;
  readonly #options: SmokeDeskOptions;
  readonly #asked = new Map<string, { readonly rollout: string; readonly results: readonly SmokeResult[] }>();

  constructor(ports: Pick<RolloutPorts, 'targets' | 'tls'>, options: SmokeDeskOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async results({ id, service, to, plan }: Rollout): Promise<readonly SmokeResult[]> {
    const before = this.#asked.get(service);
    if (before?.rollout === id) return before.results;
    const { clock, smoke, signal } = this.#options;
    const targets = this.#ports.targets(service, to);
    const results =
      targets.length === 0
        ? [withoutTargets(to)]
        : await smoke(plan.smoke, targets, { signal, clock, tls: this.#ports.tls(service) });
    this.#asked.set(service, { rollout: id, results });
    return results;
  }

  forget(service: string): void {
    this.#asked.delete(service);
  }
}

function withoutTargets(upstream: string): SmokeResult {
  const detail = `${upstream} has no targets`;
  return { target: '', method: '', path: '', ok: false, status: null, durationMs: 0, detail };
}
