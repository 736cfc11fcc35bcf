import { readFile } from 'node:fs/promises';
import type { Rollout } from '../../rollout/rollout.ts';
import { durationOption, stageArgument } from '../arguments.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { rolloutLine } from '../render/rollout.ts';
import { waitForEnd } from './wait.ts';

export interface RolloutStartOptions {
  readonly to: string;
  readonly stage?: readonly string[];
  readonly strategy?: string;
  readonly plan?: string;
  readonly replace?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** Starts a rollout: the service's own plan, then the keys of `--plan`, then the options. */
export async function rolloutStart(ctx: Context, service: string, options: RolloutStartOptions): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout);
  const plan = { ...(await readPlan(options.plan)), ...planOptions(options), to: options.to };
  const client = await ctx.client();
  const rollout = await client.send<Rollout>('POST', servicePath(service, '/rollouts'), plan);
  const sentence = `${service}: rollout ${rolloutLine(rollout)}`;
  if (options.wait !== true) {
    ctx.out.result(rollout, sentence);
    return EXIT.ok;
  }
  ctx.out.note(sentence);
  return waitForEnd(ctx, service, rollout.id, timeoutMs);
}

function planOptions(options: RolloutStartOptions): Record<string, unknown> {
  return {
    ...(options.replace === true ? { replace: true } : {}),
    ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
    ...(options.stage === undefined ? {} : { stages: options.stage.map(stageArgument) }),
  };
}

async function readPlan(path: string | undefined): Promise<Record<string, unknown>> {
  if (path === undefined) return {};
  const { parse } = await import('yaml');
  try {
    const plan: unknown = parse(await readFile(path, 'utf8'));
    if (typeof plan === 'object' && plan !== null && !Array.isArray(plan)) return { ...plan };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.usage, `--plan ${path}: ${why}`, { cause: error });
  }
  throw new CliError(EXIT.usage, `--plan ${path}: not a map`, {
    hint: 'it holds the keys of "rollout" in the configuration: strategy, smoke, stages, guards',
  });
}
