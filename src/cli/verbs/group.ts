import type { GroupAction } from '../../app/control-plane.ts';
import { ENDED, type Phase, type Rollout } from '../../rollout/rollout.ts';
import { durationOption } from '../arguments.ts';
import { arrival } from '../arrival.ts';
import type { AdminClient } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { poll } from '../follow.ts';
import { reasonOf, rolloutFields, rolloutLine, rolloutLines } from '../render/rollout.ts';
import { planBody, type RolloutPlanOptions } from '../rollout-plan.ts';

/** As the admin API answers. */
interface GroupRollout {
  readonly id: string;
  readonly group: string;
  readonly phase: Phase;
  readonly decidedBy: string;
  readonly rollouts: Readonly<Record<string, Rollout>>;
}

export interface GroupStartOptions extends RolloutPlanOptions {
  readonly replace?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** Starts a rollout of every service of a group; `--to` is one upstream, or `shop=green,cart=v2`. */
export async function groupStart(ctx: Context, group: string, options: GroupStartOptions): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout);
  const replace = options.replace === true ? { replace: true } : {};
  const body = { ...(await planBody(options)), ...replace, to: candidates(options.to) };
  const client = await ctx.client();
  const started = await client.send<GroupRollout>('POST', groupPath(group, '/rollouts'), body);
  if (options.wait !== true) return shown(ctx, started);
  ctx.out.note(sentence(started));
  return waitForPhase(ctx, client, { group, goal: 'promoted', id: started.id }, timeoutMs);
}

export async function groupOperate(ctx: Context, action: GroupAction, group: string): Promise<ExitCode> {
  const client = await ctx.client();
  return shown(ctx, await client.send<GroupRollout>('POST', groupPath(group, `/rollouts/current/${action}`), {}));
}

export async function groupStatus(ctx: Context, group: string): Promise<ExitCode> {
  const current = await currentOf(await ctx.client(), group);
  const rollouts = Object.values(current.rollouts);
  if (ctx.out.json) ctx.out.document(current);
  else if (ctx.out.tty) ctx.out.lines([sentence(current), ...rollouts.flatMap((r) => rolloutLines(r, ctx.out.paint))]);
  else ctx.out.lines(rollouts.map((rollout) => `service=${rollout.service} ${rolloutFields(rollout)}`));
  return EXIT.ok;
}

export async function groupUndo(ctx: Context, group: string): Promise<ExitCode> {
  const client = await ctx.client();
  const answer = await client.send<{ readonly services: readonly string[] }>('POST', groupPath(group, '/undo'), {});
  ctx.out.result(answer, `group ${group}: ${answer.services.join(', ')} are back on what was stable before`);
  return EXIT.ok;
}

/** Until all of them are there; exit 1 when they have ended elsewhere. */
export async function groupWait(
  ctx: Context,
  group: string,
  options: { readonly for: string; readonly timeout?: string },
): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout);
  if (options.for === 'healthy') {
    throw new CliError(EXIT.usage, '--for healthy is about one service', {
      hint: 'tealgate wait SERVICE --for healthy',
    });
  }
  return waitForPhase(ctx, await ctx.client(), { group, goal: options.for, id: null }, timeoutMs);
}

async function waitForPhase(
  ctx: Context,
  client: AdminClient,
  { group, goal, id }: { readonly group: string; readonly goal: string; readonly id: string | null },
  timeoutMs: number | null,
): Promise<ExitCode> {
  const waitingFor = `group ${group} to be ${goal.replace('_', ' ')}`;
  const follow = { timeoutMs, waitingFor, signal: ctx.io.signal };
  const came = arrivals(goal);
  for await (const current of poll(() => currentOf(client, group), follow)) {
    if (id !== null && current.id !== id)
      throw new CliError(EXIT.failed, `group ${group}: a newer rollout took its place`);
    ctx.out.progress(sentence(current), `group ${group}: ${current.phase.replace('_', ' ')}`);
    if (came(current)) return shown(ctx, current);
    if (Object.values(current.rollouts).every(({ position }) => ENDED.has(position.phase)))
      throw endedOtherwise(current);
  }
  throw new CliError(EXIT.timeout, `timed out waiting for ${waitingFor}`);
}

/** Whether a group is at the goal, or each of its rollouts has been. */
function arrivals(goal: string): (current: GroupRollout) => boolean {
  const each = new Map<string, (rollout: Rollout) => boolean>();
  return ({ phase, rollouts }) => {
    const came = Object.values(rollouts).map((rollout) => {
      const arrived = each.get(rollout.service) ?? arrival(goal);
      each.set(rollout.service, arrived);
      return arrived(rollout);
    });
    return phase === goal || came.every((arrived) => arrived);
  };
}

function currentOf(client: AdminClient, group: string): Promise<GroupRollout> {
  return client.send<GroupRollout>('GET', groupPath(group, '/rollouts/current'));
}

function shown(ctx: Context, rollout: GroupRollout): ExitCode {
  ctx.out.result(rollout, sentence(rollout));
  return EXIT.ok;
}

function sentence({ group, rollouts }: GroupRollout): string {
  const each = Object.values(rollouts).map((rollout) => `${rollout.service} ${rolloutLine(rollout)}`);
  return `group ${group}: ${each.join('; ')}`;
}

function endedOtherwise({ group, phase, decidedBy, rollouts }: GroupRollout): CliError {
  const decided = rollouts[decidedBy];
  const reason = decided === undefined ? null : reasonOf(decided);
  const why = reason === null ? '' : `: ${reason}`;
  return new CliError(EXIT.failed, `group ${group}: ${phase.replace('_', ' ')} because of ${decidedBy}${why}`, {
    code: phase,
    hint: `tealgate rollout status --group ${group} shows the evidence`,
  });
}

function candidates(to: string): string | Readonly<Record<string, string>> {
  if (!to.includes('=')) return to;
  return Object.fromEntries(
    to.split(',').map((pair) => {
      const [service = '', upstream = ''] = pair.split('=', 2);
      if (service !== '' && upstream !== '') return [service, upstream];
      throw new CliError(EXIT.usage, `--to ${to}: ${pair} is not SERVICE=UPSTREAM`, {
        hint: 'give one upstream for all services, or such as --to shop=green,cart=v2',
      });
    }),
  );
}

function groupPath(group: string, rest: string): string {
  return `/v1/groups/${encodeURIComponent(group)}${rest}`;
}
