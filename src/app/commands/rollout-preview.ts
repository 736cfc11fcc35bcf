import type { RolloutPlan } from '../../config/config.ts';
import { guardsOf } from '../../config/guards/guard.ts';
import { TealgateError } from '../../platform/errors.ts';
import { speaking } from '../../rollout/guards/verdict.ts';
import { type PowerInput, powerPlan } from '../../rollout/power.ts';
import type { RolloutPreview } from '../control-plane.ts';
import type { Core, ServiceState } from '../core.ts';
import { expectReachable } from './reachable.ts';
import { expectUpstream } from './refuse.ts';
import { expectStartable } from './rollout.ts';

/** What a rollout would be, without starting it. Throws `not_found`. */
export async function previewRollout(
  core: Core,
  service: string,
  to: string,
  plan: RolloutPlan,
  traffic: PowerInput,
): Promise<RolloutPreview> {
  const state = core.service(service);
  expectUpstream(state, to);
  const from = state.effective.stable;
  const [obstacles, power] = [await obstaclesOf(core, state, to), powerPlan(plan, traffic)];
  return { service, from, to, plan, power, obstacles, stops: stopsOf(plan) };
}

/** Why it would be refused now. */
async function obstaclesOf(core: Core, state: ServiceState, to: string): Promise<string[]> {
  const { stable } = state.effective;
  if (to === stable) return [`${to} is already the stable upstream of ${state.name}`];
  const refused = [() => expectStartable(state, to), () => expectReachable(core, state, to)];
  const obstacles: string[] = [];
  for (const check of refused) {
    try {
      await check();
    } catch (error) {
      if (!(error instanceof TealgateError)) throw error;
      obstacles.push(error.message);
    }
  }
  return obstacles;
}

/** What could keep it from being promoted, in the order in which it would. */
function stopsOf(plan: RolloutPlan): string[] {
  const { strategy, smoke, stages, deadlineMs, onNoTraffic, onInconclusive } = plan;
  const guards = new Set(
    stages
      .flatMap((stage, i) => speaking(guardsOf(plan, i), stage))
      .filter(({ dryRun }) => dryRun !== true)
      .map(({ name }) => name),
  );
  return [
    ...smoke.map(
      ({ method, path, expect }) => `a smoke request ${method} ${path} that is not answered with ${expect.status}`,
    ),
    ...stages.flatMap(({ gate }, i) => (gate === undefined ? [] : [`the gate before stage ${i + 1}, until it opens`])),
    ...stages.flatMap(({ minRequests }, i) =>
      minRequests === undefined ? [] : [`fewer than ${minRequests} requests in stage ${i + 1}`],
    ),
    ...[...guards].map((name) => `the guard ${name}, when it fails: rolled back`),
    ...(onInconclusive === 'pause' ? ['a guard without a verdict at the end of a stage: paused'] : []),
    ...(onNoTraffic === undefined
      ? []
      : [`a stage without a request: ${onNoTraffic === 'hold' ? 'held' : 'rolled back'}`]),
    ...(strategy === 'shadow' ? ['the end of the copies: paused until somebody promotes or aborts it'] : []),
    ...(deadlineMs === undefined ? [] : ['waiting longer than the deadline']),
    'an operator',
  ];
}
