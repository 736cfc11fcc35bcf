import type { ServiceView } from '../../app/control-plane.ts';
import { ENDED, type Rollout } from '../../rollout/rollout.ts';
import { durationOption } from '../arguments.ts';
import { arrival } from '../arrival.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { until } from '../follow.ts';
import type { Goal } from '../goals.ts';
import { reasonOf, rolloutLine } from '../render/rollout.ts';

export interface WaitOptions {
  readonly for: Goal;
  /** With `healthy`: only the targets of this upstream. */
  readonly upstream?: string;
  readonly timeout?: string;
}

/** Blocks until a rollout is where it was expected, or until every target is healthy. */
export async function wait(ctx: Context, service: string, options: WaitOptions): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout);
  if (options.for === 'healthy') return waitHealthy(ctx, { service, upstream: options.upstream ?? null }, timeoutMs);
  return waitPhase(ctx, { service, goal: options.for, id: null }, timeoutMs);
}

/** Until the rollout with this id has ended: exit 0 only when it was promoted. */
export function waitForEnd(ctx: Context, service: string, id: string, timeoutMs: number | null): Promise<ExitCode> {
  return waitPhase(ctx, { service, goal: 'promoted', id }, timeoutMs);
}

interface Awaited {
  readonly service: string;
  readonly goal: Exclude<Goal, 'healthy'>;
  /** The rollout that is meant; null for whichever is the newest. */
  readonly id: string | null;
}

async function waitPhase(ctx: Context, awaited: Awaited, timeoutMs: number | null): Promise<ExitCode> {
  const { service, goal } = awaited;
  const came = arrival(goal);
  const view = await until(await ctx.client(), service, {
    timeoutMs,
    waitingFor: `${service} to be ${goal.replace('_', ' ')}`,
    signal: ctx.io.signal,
    done: (view) => settled(find(view, awaited), came),
    each: (view) => show(ctx, find(view, awaited)),
  });
  const rollout = find(view, awaited);
  if (rollout === null) {
    throw new CliError(EXIT.failed, `${service} has no rollout to wait for`, {
      hint: `tealgate rollout start ${service} --to UPSTREAM`,
    });
  }
  if (!came(rollout)) throw endedOtherwise(rollout);
  ctx.out.result(rollout, `${service}: rollout ${rolloutLine(rollout)}`);
  return EXIT.ok;
}

function find(view: ServiceView, { id }: Awaited): Rollout | null {
  return id === null ? view.rollout : (view.rollouts.find((rollout) => rollout.id === id) ?? null);
}

function settled(rollout: Rollout | null, came: (rollout: Rollout) => boolean): boolean {
  return rollout === null || came(rollout) || ENDED.has(rollout.position.phase);
}

function show(ctx: Context, rollout: Rollout | null): void {
  if (rollout !== null) ctx.out.progress(liveLine(rollout), milestone(rollout));
}

function endedOtherwise(rollout: Rollout): CliError {
  const { service, position } = rollout;
  const reason = reasonOf(rollout);
  return new CliError(
    EXIT.failed,
    `${service}: rollout ${rollout.id} ${position.phase.replace('_', ' ')}${reason === null ? '' : `: ${reason}`}`,
    {
      code: position.phase,
      hint: `tealgate rollout status ${service} shows the evidence`,
    },
  );
}

interface Side {
  readonly service: string;
  /** null for all of them. */
  readonly upstream: string | null;
}

async function waitHealthy(ctx: Context, side: Side, timeoutMs: number | null): Promise<ExitCode> {
  const { service } = side;
  const whose = side.upstream === null ? service : `${service} ${side.upstream}`;
  const view = await until(await ctx.client(), service, {
    timeoutMs,
    waitingFor: `every target of ${whose} to be healthy`,
    signal: ctx.io.signal,
    done: (view) => sick(view, side).length === 0,
    each: (view) => {
      const waiting = `${service}: not healthy yet: ${sick(view, side).join(', ')}`;
      ctx.out.progress(waiting, waiting);
    },
  });
  ctx.out.result(view, `${service}: every target of ${whose} is healthy`);
  return EXIT.ok;
}

/** Targets that are to take traffic and may not yet. Throws CliError `usage` for an upstream that does not exist. */
function sick(view: ServiceView, { upstream }: Side): string[] {
  if (upstream !== null && !Object.hasOwn(view.upstreams, upstream)) {
    throw new CliError(EXIT.usage, `${view.name} has no upstream ${upstream}`, {
      hint: `upstreams of ${view.name}: ${Object.keys(view.upstreams).join(', ')}`,
    });
  }
  return Object.values(view.upstreams)
    .filter(({ name }) => upstream === null || name === upstream)
    .flatMap(({ name, targets }) =>
      targets
        .filter(({ health, admin }) => admin !== 'removed' && health !== 'healthy' && health !== 'trusted')
        .map(({ url }) => `${name} ${url}`),
    );
}

function liveLine(rollout: Rollout): string {
  const { trials, errors } = rollout.counts.candidate;
  return `${rollout.service}: ${rolloutLine(rollout)}; candidate: ${trials} requests, ${errors} failed`;
}

function milestone(rollout: Rollout): string {
  const { position, plan, service } = rollout;
  const stage = 'stage' in position ? `, stage ${position.stage + 1} of ${plan.stages.length}` : '';
  return `${service}: ${position.phase.replace('_', ' ')}${stage}`;
}
