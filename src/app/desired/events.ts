import type { NewEvent } from '../../store/store.ts';
import type { EffectiveService, EffectiveUpstream } from './effective.ts';
import { weightsOf } from './effective.ts';
import { sameValue, sameWeights } from './equal.ts';

export type ServiceEvent = Pick<NewEvent, 'type' | 'data'>;

/** What a change did to a service's traffic, one event for each fact that changed. */
export function routingEvents(before: EffectiveService, after: EffectiveService): ServiceEvent[] {
  const events: ServiceEvent[] = [];
  const weights = { before: weightsOf(before.upstreams), after: weightsOf(after.upstreams) };
  if (!sameWeights(weights.before, weights.after)) events.push({ type: 'weights.changed', data: weights });
  if (before.stable !== after.stable) {
    events.push({ type: 'stable.changed', data: { before: before.stable, after: after.stable } });
  }
  for (const [name, upstream] of Object.entries(after.upstreams)) {
    const earlier = before.upstreams[name];
    if (earlier !== undefined) events.push(...upstreamEvents(name, earlier, upstream));
  }
  return events;
}

function upstreamEvents(upstream: string, before: EffectiveUpstream, after: EffectiveUpstream): ServiceEvent[] {
  const events: ServiceEvent[] = [];
  if (before.admin !== after.admin) {
    events.push({ type: after.admin === 'draining' ? 'upstream.draining' : 'upstream.enabled', data: { upstream } });
  } else if (before.pinEpoch !== after.pinEpoch) {
    events.push({ type: 'upstream.evicted', data: { upstream, pinEpoch: after.pinEpoch } });
  }
  if (!sameValue(before.targets, after.targets)) {
    events.push({ type: 'targets.changed', data: { upstream, before: before.targets, after: after.targets } });
  }
  return events;
}
