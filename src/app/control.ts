import type { RolloutPlan } from '../config/config.ts';
import { parsePlan } from '../config/plan.ts';
import { parseTargets } from '../config/targets.ts';
import { TealgateError } from '../platform/errors.ts';
import { powerPlan } from '../rollout/power.ts';
import type { Runner } from '../rollout/runner.ts';
import { followLink, linkedAction } from './commands/action-links.ts';
import { reportBusiness } from './commands/business.ts';
import { deadLetters, redeliver } from './commands/dead-letters.ts';
import { drainUpstream, enableUpstream, evictPins, waitUntilDrained } from './commands/drain.ts';
import { groupConfig, operateGroup, startGroupRollout, undoGroup } from './commands/group.ts';
import { reload } from './commands/reload.ts';
import { operateRollout, startRollout, undoRollout } from './commands/rollout.ts';
import { previewRollout } from './commands/rollout-preview.ts';
import { switchUpstream } from './commands/switch.ts';
import { changeTargets } from './commands/targets.ts';
import { changeWeights } from './commands/weights.ts';
import type { ConfigFile } from './config-file.ts';
import type { Applied, ControlPlane, GroupView } from './control-plane.ts';
import type { Core } from './core.ts';
import type { Notifier } from './notifications/notifier.ts';
import type { RequestRates } from './request-rates.ts';
import { groupView } from './views/group-view.ts';
import { overview } from './views/overview.ts';
import { findRollout } from './views/rollout.ts';
import { serviceView } from './views/service-view.ts';
import { upstreamTotals } from './views/upstream-totals.ts';

export interface ControlParts {
  readonly core: Core;
  readonly runner: Pick<Runner, 'judge'>;
  readonly notifier: Pick<Notifier, 'wake'>;
  readonly file: ConfigFile;
  readonly rates: RequestRates;
  readonly unrouted: SharedArrayBuffer;
  /** ms since the Unix epoch. */
  readonly startedAt: number;
  readonly ready: () => boolean;
  /** Where the admin endpoint listens: no target may be there. Null for a unix socket. */
  readonly adminAddress: () => { readonly host: string; readonly port: number } | null;
}

/** The commands and views of a gate under one roof; each is a function of its own. */
export function createControl(parts: ControlParts): ControlPlane {
  const { core, runner, file, unrouted, startedAt } = parts;
  const { store } = core.parts;

  const moved = async (service: string, change: Promise<Applied>) => {
    const { rollout } = (await change).service;
    // Not awaited: what the rollout is owed next, such as smoke requests, may take its time.
    void runner.judge(service);
    if (rollout === null) throw new TealgateError('internal', `${service} has no rollout`);
    return rollout;
  };

  const planOf = (service: string, plan: unknown): RolloutPlan =>
    parsePlan(plan, core.service(service).config.rollout, core.current().config);

  const group = (name: string): GroupView => groupView(core, name, groupConfig(core, name).services);

  const movedTogether = (name: string): GroupView => {
    const view = group(name);
    for (const { service } of view.rollouts.slice(0, 1)) void runner.judge(service);
    return view;
  };

  return {
    overview: () => overview(core, { startedAt, config: file.status(), unrouted }),
    service: (name) => serviceView(core, core.service(name)),
    upstreamTotals: () => upstreamTotals(core),
    setWeights: (service, weights, by) => changeWeights(core, service, weights, by),
    switchTo: (service, to, by) => switchUpstream(core, service, to, by, { force: by.force === true }),
    drain: (service, upstream, by) => drainUpstream(core, service, upstream, by),
    enable: (service, upstream, by) => enableUpstream(core, service, upstream, by),
    evict: (service, upstream, by) => evictPins(core, service, upstream, by),
    async setTargets(service, upstream, targets, by) {
      const admin = parts.adminAddress();
      const checked = parseTargets(targets, admin === null ? null : { adminHost: admin.host, adminPort: admin.port });
      return changeTargets(core, service, upstream, checked, by);
    },
    reportBusiness: (service, report) => reportBusiness(core, service, report),
    waitDrained: (service, upstream, signal) => waitUntilDrained(core, service, upstream, signal),
    async startRollout(service, to, plan, by) {
      return moved(service, startRollout(core, service, to, planOf(service, plan), by));
    },
    operateRollout: (service, action, by) => moved(service, operateRollout(core, service, action, by)),
    async previewRollout(service, to, plan, { requestsPerSecond }) {
      const parsed = planOf(service, plan);
      const seen = parts.rates.of(service);
      const traffic = requestsPerSecond === undefined ? seen : { ...seen, requestsPerSecond };
      return previewRollout(core, service, to, parsed, traffic);
    },
    power: (service, plan) => powerPlan(plan, parts.rates.of(service)),
    rollout: (service, id) => findRollout(core, service, id),
    journal(service, id, { after, limit }) {
      const rollout = findRollout(core, service, id);
      return { rollout, entries: store.journal(rollout.id, after, limit) };
    },
    undo: (service, by) => undoRollout(core, service, by),
    groups: () => {
      const groups = Object.entries(core.current().config.groups);
      return Object.fromEntries(groups.map(([name, { services }]) => [name, groupView(core, name, services)]));
    },
    group,
    async startGroupRollout(name, to, plan, by) {
      const plans = (service: string) => planOf(service, plan);
      await startGroupRollout(core, name, { to, plan: plans, replace: by.replace === true }, by);
      return movedTogether(name);
    },
    async operateGroup(name, action, by) {
      await operateGroup(core, name, action, by);
      return movedTogether(name);
    },
    async undoGroup(name, by) {
      await undoGroup(core, name, by);
      return group(name);
    },
    linkedAction: (signature) => linkedAction(core, signature),
    followLink: (signature) => {
      const { service } = linkedAction(core, signature);
      return moved(service, followLink(core, signature));
    },
    deadLetters: () => deadLetters(core),
    async redeliver(id, by) {
      await redeliver(core, id, by);
      parts.notifier.wake();
    },
    reload: (by) => reload(core, file, by, parts.adminAddress()),
    events: (since) => store.events(since),
    watchEvents: (since, onEvents, signal) => store.watch(since, onEvents, signal),
    ready: parts.ready,
  };
}
