import type { Applied, ServiceView } from '../../app/control-plane.ts';
import { versionOption, weightArguments } from '../arguments.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { weightsText } from '../render/service.ts';

export interface WeightsOptions {
  readonly ifVersion?: string;
  readonly dryRun?: boolean;
}

/** Sets the weights it names, all at once; the others keep theirs. */
export async function weights(
  ctx: Context,
  service: string,
  pairs: readonly string[],
  options: WeightsOptions,
): Promise<ExitCode> {
  const wanted = weightArguments(pairs);
  const ifVersion = versionOption(options.ifVersion);
  const client = await ctx.client();
  if (options.dryRun === true) {
    const diff = weightsDiff(await client.service(service), wanted);
    ctx.out.result(diff, diff.map(({ upstream, from, to }) => `${service}: ${upstream} ${from} → ${to}`).join('\n'));
    return EXIT.ok;
  }
  const path = servicePath(service, '/weights');
  const applied = await client.send<Applied>('PUT', path, wanted, ifVersion === null ? {} : { ifVersion });
  ctx.out.result(applied, `${service}: ${weightsText(applied.service)} (version ${applied.version})`);
  return EXIT.ok;
}

/** What would change; the weights of upstreams that do not exist are refused as the gate would. */
export function weightsDiff(view: ServiceView, wanted: Readonly<Record<string, number>>) {
  const unknown = Object.keys(wanted).find((name) => !Object.hasOwn(view.upstreams, name));
  if (unknown !== undefined) {
    throw new CliError(EXIT.usage, `${view.name} has no upstream ${unknown}`, {
      hint: `upstreams of ${view.name}: ${Object.keys(view.upstreams).join(', ')}`,
    });
  }
  return Object.values(view.upstreams).map(({ name, weight }) => ({
    upstream: name,
    from: weight,
    to: Object.hasOwn(wanted, name) ? (wanted[name] ?? weight) : weight,
  }));
}
