import type { RolloutAction } from '../../app/control-plane.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { rolloutLine } from '../render/rollout.ts';

/** Promotes, aborts, pauses, resumes or retries the current rollout; repeating a call is harmless. */
export async function rolloutOperate(ctx: Context, action: RolloutAction, service: string): Promise<ExitCode> {
  const client = await ctx.client();
  const rollout = await client.send<Rollout>('POST', servicePath(service, `/rollouts/current/${action}`), {});
  ctx.out.result(rollout, `${service}: rollout ${rolloutLine(rollout)}`);
  return EXIT.ok;
}
