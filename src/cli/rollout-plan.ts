import { readFile } from 'node:fs/promises';
import { stageArgument } from './arguments.ts';
import { CliError, EXIT } from './exit.ts';

/** Options that make up the plan of a rollout. */
export interface RolloutPlanOptions {
  readonly to: string;
  readonly stage?: readonly string[];
  readonly strategy?: string;
  readonly plan?: string;
}

/** The candidate and the plan for the admin API: the keys of `--plan`, then the options. Throws CliError `usage`. */
export async function planBody(options: RolloutPlanOptions): Promise<Record<string, unknown>> {
  const { to, stage, strategy, plan } = options;
  return {
    ...(await readPlan(plan)),
    ...(strategy === undefined ? {} : { strategy }),
    ...(stage === undefined ? {} : { stages: stage.map(stageArgument) }),
    to,
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
