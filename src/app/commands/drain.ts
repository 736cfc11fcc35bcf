import { setTimeout as sleep } from 'node:timers/promises';
import { TealgateError } from '../../platform/errors.ts';
import type { Applied, Command } from '../control-plane.ts';
import type { Core, ServiceState } from '../core.ts';
import { drain, enable, evict } from '../desired/draining.ts';
import { own, takesTraffic } from '../desired/effective.ts';
import { upstreamIsEmpty } from '../registry.ts';
import { expectUpstream, refuseForRolloutSides } from './refuse.ts';

export function drainUpstream(core: Core, service: string, upstream: string, by: Command): Promise<Applied> {
  return core.changeService(service, by, (state) => {
    expectUpstream(state, upstream);
    refuseForRolloutSides(state, upstream, `drain ${upstream}`);
    expectAnother(state, upstream);
    return { desired: drain(state.desired, upstream, core.parts.clock.wallMs()) };
  });
}

export function enableUpstream(core: Core, service: string, upstream: string, by: Command): Promise<Applied> {
  return core.changeService(service, by, (state) => {
    expectUpstream(state, upstream);
    refuseForRolloutSides(state, upstream, `enable ${upstream}`);
    return { desired: enable(state.desired, upstream) };
  });
}

export function evictPins(core: Core, service: string, upstream: string, by: Command): Promise<Applied> {
  return core.changeService(service, by, (state) => {
    expectUpstream(state, upstream);
    return { desired: evict(state.desired, upstream) };
  });
}

/** The counts are in shared memory that nothing announces; looking costs a few reads. */
const LOOK_MS = 20;

/** Throws `conflict` when the upstream does not drain, or no longer does. */
export async function waitUntilDrained(
  core: Core,
  service: string,
  upstream: string,
  signal: AbortSignal,
): Promise<void> {
  const find = () => core.parts.registry.service(service)?.upstreams.get(upstream);
  if (find() === undefined) expectUpstream(core.service(service), upstream);
  for (let entry = find(); entry !== undefined; entry = find()) {
    if (entry.drainingSinceMs === null && entry.removedSinceMs === null) throw notDraining(service, upstream);
    if (upstreamIsEmpty(entry)) return;
    await sleep(LOOK_MS, undefined, { signal }).catch((cause: unknown) => {
      throw new TealgateError('timeout', `stopped waiting: ${upstream} of ${service} is not drained yet`, { cause });
    });
  }
}

function notDraining(service: string, upstream: string): TealgateError {
  const message = `${upstream} of ${service} does not drain: it is enabled, or was taken back in meanwhile`;
  return new TealgateError('conflict', message);
}

/** Throws `conflict` when nothing else would take the traffic. */
function expectAnother({ name, effective }: ServiceState, upstream: string): void {
  const drained = own(effective.upstreams, upstream);
  const others = Object.entries(effective.upstreams).filter(([other]) => other !== upstream);
  if (drained?.admin === 'draining' || drained?.weight === 0) return;
  if (others.some(([, other]) => takesTraffic(other))) return;
  const message = `${upstream} is the only upstream of ${name} that takes traffic; switch to another one, which drains it`;
  throw new TealgateError('conflict', message);
}
