import type { Applied } from '../../app/control-plane.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { weightsText } from '../render/service.ts';

/** Goes back to the upstream that was stable before the last promoted rollout. */
export async function undo(ctx: Context, service: string): Promise<ExitCode> {
  const applied = await (await ctx.client()).send<Applied>('POST', servicePath(service, '/undo'), {});
  const { stable } = applied.service;
  ctx.out.result(
    applied,
    `${service}: back on ${stable}: ${weightsText(applied.service)} (version ${applied.version})`,
  );
  return EXIT.ok;
}
