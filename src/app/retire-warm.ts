import { setTimeout as sleep } from 'node:timers/promises';
import type { Core } from './core.ts';
import { drain } from './desired/draining.ts';
import { desiredService } from './desired/effective.ts';
import { keepOn } from './desired/warm.ts';

/** The time that was kept is written down this often: so much at most is kept once more after a crash. */
const LOOK_MS = 1000;

/** Old sides that a rollout kept warm drain when their time is over. Ends with the signal. */
export async function retireWarm(core: Core, signal: AbortSignal): Promise<void> {
  const { clock, log } = core.parts;
  let lastMs = clock.monotonicMs();
  while (!signal.aborted) {
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    const nowMs = clock.monotonicMs();
    const elapsedMs = nowMs - lastMs;
    lastMs = nowMs;
    if (signal.aborted) return;
    await retireDue(core, elapsedMs).catch((err: unknown) =>
      log.error({ event: 'warm.failed', err }, 'could not retire the old side of a rollout; trying again'),
    );
  }
}

async function retireDue(core: Core, elapsedMs: number): Promise<void> {
  const { config, desired } = core.current();
  const warm = Object.keys(config.services).filter((name) => desiredService(desired, name).warm !== undefined);
  for (const service of warm) {
    await core.changeService(service, { actor: 'tealgate' }, (state) => {
      const kept = keepOn(state.desired, elapsedMs);
      const at = core.parts.clock.wallMs();
      const retired = kept.over.reduce((next, upstream) => drain(next, upstream, at), kept.desired);
      return {
        desired: retired,
        events: kept.over.map((upstream) => ({ type: 'upstream.retired', data: { upstream } })),
      };
    });
  }
}
