import { SERVICE } from '../../traffic/ledger.ts';
import type { LedgerView, ServiceView } from '../control-plane.ts';
import type { Core, ServiceState } from '../core.ts';
import { own } from '../desired/effective.ts';
import { sameWeights } from '../desired/equal.ts';
import { newestRollout, runningRollout } from '../desired/rollouts.ts';
import type { DesiredService } from '../desired.ts';
import { readLedger } from './ledger-view.ts';
import { type UpstreamSetting, upstreamView } from './upstream-view.ts';

/** A service as it is now: what was decided beside what is observed. */
export function serviceView(core: Core, state: ServiceState): ServiceView {
  const { name, config, desired, effective } = state;
  const entry = core.parts.registry.service(name);
  return {
    name,
    version: core.parts.publisher.serviceVersion(name),
    hosts: config.hosts,
    paths: config.paths,
    stable: effective.stable,
    upstreams: Object.fromEntries(
      [...(entry?.upstreams.values() ?? [])].map((upstream) => [
        upstream.name,
        upstreamView(core.parts, upstream, settingOf(state, upstream.name)),
      ]),
    ),
    rollout: newestRollout(desired),
    rollouts: desired.rollouts,
    ledger: entry === undefined ? EMPTY : readLedger(entry.ledger),
    overrides: overridesOf(desired),
  };
}

const EMPTY: LedgerView = readLedger(new SharedArrayBuffer(SERVICE.size * Float64Array.BYTES_PER_ELEMENT));

function settingOf({ config, desired, effective }: ServiceState, upstream: string): UpstreamSetting {
  const candidate = runningRollout(desired)?.to;
  const drainTimeoutMs = config.drain.timeoutMs;
  const role = upstream === effective.stable ? 'stable' : upstream === candidate ? 'candidate' : 'idle';
  const warm = own(desired.warm ?? {}, upstream) ?? null;
  return { role, effective: effective.upstreams[upstream] ?? null, drainTimeoutMs, warm };
}

function overridesOf(desired: DesiredService): string[] {
  return [
    ...(desired.weights === null || sameWeights(desired.weights.value, desired.weights.base) ? [] : ['weights']),
    ...(desired.stable === null || desired.stable.value === desired.stable.base ? [] : ['stable']),
    ...Object.keys(desired.targets).map((upstream) => `targets.${upstream}`),
  ];
}
