import { SAMPLE_MS } from './baselines.ts';
import type { Core } from './core.ts';
import { rulesInForce } from './counting.ts';
import { desiredService, own } from './desired/effective.ts';
import { judgedRollout } from './desired/rollouts.ts';

/** Notes what upstreams do, now and every few seconds, for guards that compare with the time before a rollout. */
export function sampleBaselines(core: Core, signal: AbortSignal): void {
  const sample = (): void => {
    const { config, desired } = core.current();
    core.parts.baselines.sample((name) => {
      const service = own(config.services, name);
      return service === undefined ? [] : rulesInForce(service, judgedRollout(desiredService(desired, name)));
    });
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}
