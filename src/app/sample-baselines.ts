import type { StoredEvent } from '../store/store.ts';
import type { CountingRule } from '../traffic/snapshot.ts';
import { SAMPLE_MS } from './baselines.ts';
import type { Core, Current } from './core.ts';
import { rulesInForce } from './counting.ts';
import { desiredService, own } from './desired/effective.ts';
import { judgedRollout, runningRollout } from './desired/rollouts.ts';

/** Notes what upstreams do, now and every few seconds, for guards that compare with the time before a rollout. */
export function sampleBaselines(core: Core, signal: AbortSignal): void {
  const sample = (): void => {
    const current = core.current();
    core.parts.baselines.sample((name) => ({
      rules: rulesOf(current, name),
      isDisturbed: hasCandidate(current, name),
    }));
  };
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** From an event on a candidate has traffic, or it has had some just before. */
export function disturbBaselines(core: Core, events: readonly StoredEvent[]): void {
  for (const { type, service } of events) {
    if (service === null || !BEGINS_OR_ENDS.has(type)) continue;
    core.parts.baselines.disturb(service, rulesOf(core.committed(), service));
  }
}

const BEGINS_OR_ENDS: ReadonlySet<string> = new Set([
  'rollout.stage',
  'rollout.resumed',
  'rollout.promoting',
  'rollout.promoted',
  'rollout.aborted',
  'rollout.rolled_back',
]);

function rulesOf({ config, desired }: Current, name: string): readonly CountingRule[] {
  const service = own(config.services, name);
  return service === undefined ? [] : rulesInForce(service, judgedRollout(desiredService(desired, name)));
}

/** The candidate of a rollout gets requests or copies, or may have got some. */
function hasCandidate({ desired }: Current, service: string): boolean {
  const { phase } = runningRollout(desiredService(desired, service))?.position ?? {};
  return phase !== undefined && phase !== 'pending' && phase !== 'checking';
}
