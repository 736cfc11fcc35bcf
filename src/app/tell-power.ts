import { type PowerPlan, powerPlan } from '../rollout/power.ts';
import type { Rollout } from '../rollout/rollout.ts';
import type { StoredEvent } from '../store/store.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Core } from './core.ts';
import { desiredService, own } from './desired/effective.ts';
import { newestRollout } from './desired/rollouts.ts';
import type { RequestRates } from './request-rates.ts';

/**
 * Says what a rollout will be able to see: of the whole plan in an event when it is created, of each stage in the log as
 * it begins, by the traffic of the last minute.
 */
export class PowerTeller {
  readonly #core: Core;
  readonly #rates: RequestRates;
  readonly #log: Logger;

  constructor(core: Core, rates: RequestRates, log: Logger) {
    this.#core = core;
    this.#rates = rates;
    this.#log = log;
  }

  hear(events: readonly StoredEvent[]): void {
    for (const { type, service, data } of events) {
      if (service === null || (type !== 'rollout.created' && type !== 'rollout.stage')) continue;
      // In a turn of its own: the commit that these events are of comes first.
      void this.#core.alone(async ({ tell }) => {
        const rollout = newestRollout(desiredService(this.#core.current().desired, service));
        if (rollout === null || rollout.id !== data.rollout) return;
        if (own(this.#core.current().config.services, service) === undefined) return;
        const power = powerPlan(rollout.plan, this.#rates.of(service));
        if (type === 'rollout.created') tell([this.#event(rollout, power)]);
        else this.#logStage(rollout, power);
      });
    }
  }

  #event({ id, service }: Rollout, { requestsPerSecond, stages, warnings }: PowerPlan) {
    const summaries = stages.map(({ summary }) => summary);
    const data = { rollout: id, requestsPerSecond, stages: summaries, warnings };
    return { type: 'rollout.power', service, actor: 'tealgate', at: this.#core.parts.clock.wallMs(), data };
  }

  #logStage({ id, service, position }: Rollout, { stages }: PowerPlan): void {
    const stage = 'stage' in position ? stages[position.stage] : undefined;
    if (stage === undefined || position.phase !== 'progressing') return;
    const { summary, requests } = stage;
    const fields = { event: 'rollout.power', service, rollout: id, stage: stage.stage, requests, summary };
    this.#log.info(fields, `what stage ${stage.stage + 1} of ${service} can see`);
  }
}
