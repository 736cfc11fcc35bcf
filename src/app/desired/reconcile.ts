import type { Config, ServiceConfig } from '../../config/config.ts';
import type { DesiredService, DesiredState } from '../desired.ts';
import { enable } from './draining.ts';
import { effectiveService, own, takesTraffic, weightsOf, withService } from './effective.ts';
import { overrideOf, sameValue, sameWeights } from './equal.ts';
import { runningRollout } from './rollouts.ts';

/** A run-time change that no longer holds, because the file was changed after it. */
export interface DroppedOverride {
  readonly service: string;
  /** `weights`, `stable`, `targets.green`. */
  readonly field: string;
  readonly value: unknown;
  /** What the file says now; null when the upstream has left it. */
  readonly file: unknown;
}

export interface Reconciled {
  readonly desired: DesiredState;
  readonly dropped: readonly DroppedOverride[];
}

/**
 * Lays the run-time changes over a file that may have changed since: the later writer wins, field by field. What
 * belongs to services that the file does not name is kept aside untouched, for when they come back.
 *
 * @param earlier what the file said before, where that is known
 */
export function reconcile(desired: DesiredState, config: Config, earlier?: Config): Reconciled {
  const dropped: DroppedOverride[] = [];
  let next = desired;
  for (const [name, service] of Object.entries(config.services)) {
    const before = own(desired.services, name);
    if (before === undefined) continue;
    const taken = takeBackIn(service, before, own(earlier?.services ?? {}, name));
    const after = reconcileService(service, taken, dropped);
    if (after !== before) next = withService(next, name, after);
  }
  return { desired: next, dropped };
}

function reconcileService(config: ServiceConfig, desired: DesiredService, dropped: DroppedOverride[]): DesiredService {
  return [dropWeights, dropStable, dropTargets, forgetUpstreams, forgetWeights, leaveSomeone].reduce(
    (state, step) => step(config, state, dropped),
    desired,
  );
}

/** An upstream that drains, or will, is taken back in when the file gives it another share than before. */
function takeBackIn(file: ServiceConfig, desired: DesiredService, earlier: ServiceConfig | undefined): DesiredService {
  if (earlier === undefined || desired.weights !== null || runningRollout(desired) !== null) return desired;
  return Object.entries(file.upstreams)
    .filter(([name, { weight }]) => weight > 0 && weight !== (own(earlier.upstreams, name)?.weight ?? 0))
    .reduce((state, [name]) => enable(state, name), desired);
}

type Step = (config: ServiceConfig, desired: DesiredService, dropped: DroppedOverride[]) => DesiredService;

/** The weights of the file are news: an upstream that they give traffic is taken back in, as by `setWeights`. */
const dropWeights: Step = (config, desired, dropped) => {
  if (desired.weights === null) return desired;
  const { value, base } = desired.weights;
  const file = weightsOf(config.upstreams);
  // A running rollout owns the weights: it writes them after the file did, so it is the later writer.
  if (runningRollout(desired) !== null) return { ...desired, weights: { value, base: file } };
  const leavesTraffic = Object.keys(file).some((name) => (own(value, name) ?? 0) > 0);
  if (sameWeights(base, file) && leavesTraffic) return desired;
  dropped.push({ service: config.name, field: 'weights', value, file });
  const given = Object.keys(file).filter((name) => (file[name] ?? 0) > 0);
  return given.reduce(enable, { ...desired, weights: null });
};

const dropStable: Step = (config, desired, dropped) => {
  if (desired.stable === null) return desired;
  const { value, base } = desired.stable;
  if (runningRollout(desired) !== null) return { ...desired, stable: { value, base: config.stable } };
  if (base === config.stable && own(config.upstreams, value) !== undefined) return desired;
  dropped.push({ service: config.name, field: 'stable', value, file: config.stable });
  return { ...desired, stable: null };
};

/** Targets that were taken away from an idle upstream are those of the file again once it is given traffic. */
const dropTargets: Step = (config, desired, dropped) => {
  const { upstreams } = effectiveService(config, desired);
  const held = Object.entries(desired.targets).filter(([name, { value, base }]) => {
    const file = own(config.upstreams, name)?.targets ?? null;
    const isBare = value.length === 0 && (own(upstreams, name)?.weight ?? 0) > 0;
    if (file !== null && sameValue(base, file) && !isBare) return true;
    dropped.push({ service: config.name, field: `targets.${name}`, value, file });
    return false;
  });
  if (held.length === Object.keys(desired.targets).length) return desired;
  return { ...desired, targets: Object.fromEntries(held) };
};

/** A drain ends with its upstream, and so does its warmth. Its pin epoch stays, so that old cookies do not revive with the name. */
const forgetUpstreams: Step = (config, desired) =>
  [...Object.keys(desired.draining), ...Object.keys(desired.warm ?? {})]
    .filter((name) => own(config.upstreams, name) === undefined)
    .reduce(enable, desired);

/** A weight that was set goes with its upstream, too: one that comes back under its name begins with that of the file. */
const forgetWeights: Step = (config, desired) => {
  if (desired.weights === null) return desired;
  const { value, base } = desired.weights;
  const kept = Object.fromEntries(Object.entries(value).filter(([name]) => own(config.upstreams, name) !== undefined));
  if (Object.keys(kept).length === Object.keys(value).length) return desired;
  const isHeld = runningRollout(desired) !== null;
  return { ...desired, weights: isHeld ? { value: kept, base } : overrideOf(kept, base, sameWeights) };
};

/** Where the file leaves traffic to nobody but those who drain, they are taken back in: no command would have it so. */
const leaveSomeone: Step = (config, desired) => {
  const { upstreams } = effectiveService(config, desired);
  if (Object.values(upstreams).some(takesTraffic)) return desired;
  const given = Object.keys(upstreams).filter((name) => (upstreams[name]?.weight ?? 0) > 0);
  return given.reduce(enable, desired);
};
