import type { RolloutPorts } from '../../rollout/ports.ts';
import { readCell, UPSTREAM } from '../../traffic/ledger.ts';
import type { Core } from '../core.ts';
import { desiredService, own } from '../desired/effective.ts';
import { newestRollout, runningRollout, withRollout } from '../desired/rollouts.ts';
import { applyRoutingChanges } from '../desired/routing-changes.ts';
import { upstreamIsEmpty } from '../registry.ts';

/** Who a transition is by, unless it says so itself. */
const BY_ITSELF = { actor: 'tealgate' };

/** What the rollout runner sees of the gate. */
export function rolloutPorts(core: Core): RolloutPorts {
  const { registry, clock } = core.parts;
  const upstreamEntry = (service: string, upstream: string) => registry.service(service)?.upstreams.get(upstream);
  return {
    running() {
      const { config, desired } = core.current();
      return Object.keys(config.services).filter((name) => runningRollout(desiredService(desired, name)) !== null);
    },
    rollout: (service) => newestRollout(desiredService(core.current().desired, service)),
    async update(service, decide) {
      await core.changeService(service, BY_ITSELF, ({ config, desired }) => {
        const update = decide(newestRollout(desired));
        if (update === null) return null;
        const routed = applyRoutingChanges(config, desired, update.changes, clock.wallMs());
        return { desired: withRollout(routed, update.rollout), events: update.events };
      });
      return newestRollout(desiredService(core.current().desired, service));
    },
    counts(service, upstream) {
      const entry = upstreamEntry(service, upstream);
      if (entry === undefined) return { trials: 0, errors: 0 };
      const read = (cell: number) => readCell(entry.ledger, UPSTREAM.size, cell);
      return { trials: read(UPSTREAM.trials), errors: read(UPSTREAM.errors) };
    },
    drained(service, upstream) {
      const entry = upstreamEntry(service, upstream);
      return entry === undefined || upstreamIsEmpty(entry);
    },
    targets(service, upstream) {
      const known = own(core.current().config.services, service) !== undefined;
      return known ? (own(core.service(service).effective.upstreams, upstream)?.targets ?? []) : [];
    },
  };
}
