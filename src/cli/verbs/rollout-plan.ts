import type { RolloutPreview } from '../../app/control-plane.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { previewLines } from '../render/preview.ts';
import { planBody, type RolloutPlanOptions } from '../rollout-plan.ts';

export interface RolloutPreviewOptions extends RolloutPlanOptions {
  readonly rate?: string;
}

/** What a rollout would be, what its stages can see, and what could stop it; exit code 1 when it would be refused now. */
export async function rolloutPlan(ctx: Context, service: string, options: RolloutPreviewOptions): Promise<ExitCode> {
  const rate = rateOption(options.rate);
  const body = { ...(await planBody(options)), ...(rate === null ? {} : { rate }) };
  const preview = await (await ctx.client()).send<RolloutPreview>('POST', servicePath(service, '/rollouts/plan'), body);
  if (ctx.out.json) ctx.out.document(preview);
  else ctx.out.lines(previewLines(preview, ctx.out.paint));
  return preview.obstacles.length === 0 ? EXIT.ok : EXIT.failed;
}

function rateOption(text: string | undefined): number | null {
  if (text === undefined) return null;
  const rate = Number(text);
  if (text.trim() !== '' && Number.isFinite(rate) && rate >= 0) return rate;
  throw new CliError(EXIT.usage, `--rate ${text}: not a number of requests a second`, { hint: 'such as --rate 40' });
}
