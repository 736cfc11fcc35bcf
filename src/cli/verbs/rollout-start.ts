import { printable } from '../../config/problem.ts';
import type { PowerPlan } from '../../rollout/power.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import { durationOption } from '../arguments.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { rolloutLine } from '../render/rollout.ts';
import { planBody, type RolloutPlanOptions } from '../rollout-plan.ts';
import { waitForEnd } from './wait.ts';

export interface RolloutStartOptions extends RolloutPlanOptions {
  readonly replace?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** Starts a rollout: the service's own plan, then the keys of `--plan`, then the options. */
export async function rolloutStart(ctx: Context, service: string, options: RolloutStartOptions): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout);
  const plan = { ...(await planBody(options)), ...(options.replace === true ? { replace: true } : {}) };
  const client = await ctx.client();
  const rollout = await client.send<StartedRollout>('POST', servicePath(service, '/rollouts'), plan);
  const sentence = `${service}: rollout ${rolloutLine(rollout)}`;
  if (options.wait !== true) {
    ctx.out.result(rollout, sentence);
    if (!ctx.out.json) tellPower(ctx, rollout);
    return EXIT.ok;
  }
  ctx.out.note(sentence);
  tellPower(ctx, rollout);
  return waitForEnd(ctx, service, rollout.id, timeoutMs);
}

/** Absent in the answer of an older gate. */
interface StartedRollout extends Rollout {
  readonly power?: PowerPlan;
}

/** What is to be expected of it, beside the data. */
function tellPower(ctx: Context, { power }: StartedRollout): void {
  if (power === undefined) return;
  for (const { stage, summary } of power.stages) ctx.out.note(`stage ${stage + 1}: ${printable(summary)}`);
  for (const warning of power.warnings) ctx.out.note(`warning: ${printable(warning)}`);
}
