import { TRUST_SYSTEM } from '../../platform/tls.ts';
import { NO_COUNTS } from '../../rollout/counts.ts';
import { countingRules } from '../../rollout/guards/counting.ts';
import type { RolloutPorts } from '../../rollout/ports.ts';
import type { Core } from '../core.ts';
import { desiredService, own } from '../desired/effective.ts';
import { newestRollout, runningRollout } from '../desired/rollouts.ts';
import { upstreamIsEmpty } from '../registry.ts';
import { proposeUpdate } from '../rollout-proposal.ts';
import { countsByRules, upstreamCounts } from '../views/counts.ts';

/** Who a transition is by, unless it says so itself. */
const BY_ITSELF = { actor: 'tealgate' };

/** What the rollout runner sees of the gate. */
export function rolloutPorts(core: Core): RolloutPorts {
  const { registry, clock, health } = core.parts;
  const upstreamEntry = (service: string, upstream: string) => registry.service(service)?.upstreams.get(upstream);
  const targets = (service: string, upstream: string): readonly string[] => {
    const known = own(core.current().config.services, service) !== undefined;
    return known ? (own(core.service(service).effective.upstreams, upstream)?.targets ?? []) : [];
  };
  return {
    running() {
      const { config, desired } = core.current();
      return Object.keys(config.services).filter((name) => runningRollout(desiredService(desired, name)) !== null);
    },
    rollout: (service) => newestRollout(desiredService(core.current().desired, service)),
    async update(service, decide) {
      const { service: view } = await core.changeService(service, BY_ITSELF, (state) => {
        const update = decide(newestRollout(state.desired));
        return update === null ? null : proposeUpdate(state, update, clock.wallMs());
      });
      return view.rollout;
    },
    async updateTogether(services, decide) {
      await core.changeServices(services, BY_ITSELF, (states) => {
        const updates = decide(states.map(({ desired }) => newestRollout(desired)));
        const at = clock.wallMs();
        return states.map((state, i) => {
          const update = updates?.[i] ?? null;
          return update === null ? null : proposeUpdate(state, update, at);
        });
      });
    },
    counts(service, upstream) {
      const entry = upstreamEntry(service, upstream);
      return entry === undefined ? NO_COUNTS : upstreamCounts(entry.ledger);
    },
    slots(service, upstream, rules) {
      const entry = upstreamEntry(service, upstream);
      return entry === undefined ? rules.map(() => NO_COUNTS) : countsByRules(entry, rules);
    },
    baseline: ({ service, from, plan }) => core.parts.baselines.of(service, from, countingRules(plan)),
    drained(service, upstream) {
      const entry = upstreamEntry(service, upstream);
      return entry === undefined || upstreamIsEmpty(entry);
    },
    takesTraffic(service, upstream) {
      const entries = upstreamEntry(service, upstream)?.targets;
      return targets(service, upstream).some((url) => health.health(entries?.get(url)?.id ?? 0) !== 'unhealthy');
    },
    targets,
    connections: () => core.current().config,
    tls: (service) => own(core.current().config.services, service)?.tls ?? TRUST_SYSTEM,
  };
}
