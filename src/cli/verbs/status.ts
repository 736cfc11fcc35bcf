import type { Overview, ServiceView, UpstreamView } from '../../app/control-plane.ts';
import { monotonicMs } from '../../platform/clock.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import type { AdminClient } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { poll } from '../follow.ts';
import { type Rate, type Rates, servicePlain, serviceTable } from '../render/service.ts';

const WATCH_MS = 500;

/** The services, or one of them; `--watch` goes on until interrupted. */
export async function status(
  ctx: Context,
  service: string | undefined,
  options: { readonly watch?: boolean },
): Promise<ExitCode> {
  const client = await ctx.client();
  const read = () => readServices(client, service);
  if (options.watch === true) return watch(ctx, read);
  const reading = await read();
  if (ctx.out.json) ctx.out.document(reading.raw);
  else if (ctx.out.tty) ctx.out.lines(screen(reading, ctx, new Map()));
  else ctx.out.lines(reading.services.flatMap(servicePlain));
  return EXIT.ok;
}

interface Reading {
  readonly services: readonly ServiceView[];
  /** null when one service was asked for. */
  readonly overview: Overview | null;
  readonly raw: Overview | ServiceView;
}

async function readServices(client: AdminClient, service: string | undefined): Promise<Reading> {
  if (service !== undefined) {
    const view = await client.service(service);
    return { services: [view], overview: null, raw: view };
  }
  const overview = await client.overview();
  return { services: Object.values(overview.services), overview, raw: overview };
}

async function watch(ctx: Context, read: () => Promise<Reading>): Promise<ExitCode> {
  const area = ctx.out.area();
  const printed = new Map<string, string>();
  const meter = new RateMeter();
  const options = { timeoutMs: null, waitingFor: 'a change', signal: ctx.io.signal, everyMs: WATCH_MS };
  for await (const reading of poll(read, options)) {
    if (area !== null) area.draw(screen(reading, ctx, meter.update(reading.services)));
    else for (const view of reading.services) printChange(ctx, view, printed);
  }
  throw new CliError(EXIT.timeout, 'the watch ended');
}

/** One line per change of a service's desired state; counts alone are not a change. */
function printChange(ctx: Context, view: ServiceView, printed: Map<string, string>): void {
  const key = changeKey(view);
  if (printed.get(view.name) === key) return;
  printed.set(view.name, key);
  if (ctx.out.json) ctx.out.record(view);
  else ctx.out.lines([`${new Date().toISOString()} ${key}`]);
}

function changeKey(view: ServiceView): string {
  const upstreams = Object.values(view.upstreams).map(({ name, weight, admin, targets, warm }) => {
    const states = targets.map((target) => (target.ejection.ejected ? 'ejected' : target.health));
    const kept = warm === undefined ? '' : ',warm';
    return `${name}=${weight}${admin === 'draining' ? ',draining' : ''}${kept}(${states.join(',')})`;
  });
  const { rollout } = view;
  if (rollout === null) return `service=${view.name} version=${view.version} ${upstreams.join(' ')}`;
  const { position } = rollout;
  const stage = 'stage' in position ? ` stage=${position.stage + 1}/${rollout.plan.stages.length}` : '';
  return `service=${view.name} version=${view.version} ${upstreams.join(' ')} rollout=${rollout.id} phase=${position.phase}${stage}${whyText(rollout)}`;
}

/** The reason of a pause or an end, the group, and verdicts, which are all news. */
function whyText({ position, group, guards }: Rollout): string {
  const reason = 'reason' in position ? ` reason=${position.reason}` : '';
  const together = group === undefined ? '' : ` group=${group.name}`;
  const verdicts = guards.map(({ guard, verdict }) => `${guard}:${verdict}`).join(',');
  return `${reason}${together}${verdicts === '' ? '' : ` verdicts=${verdicts}`}`;
}

function screen(reading: Reading, ctx: Context, rates: ReadonlyMap<string, Rates>): string[] {
  const { paint } = ctx.out;
  const config = reading.overview?.config;
  const bad = config !== undefined && !config.lastReloadSuccessful;
  return [
    ...reading.services.flatMap((view, i) => [
      ...(i === 0 ? [] : ['']),
      ...serviceTable(view, paint, rates.get(view.name) ?? null),
    ]),
    ...(bad ? [paint('red', `the last reload of ${config.path} was refused:`), ...config.errors] : []),
  ];
}

/** What each upstream did between two readings. */
class RateMeter {
  private last = new Map<string, Totals>();
  private lastMs = Number.NEGATIVE_INFINITY;

  update(services: readonly ServiceView[]): ReadonlyMap<string, Rates> {
    const nowMs = monotonicMs();
    const seconds = (nowMs - this.lastMs) / 1000;
    const totals = new Map<string, Totals>();
    const rates = new Map<string, Rates>();
    for (const service of services) {
      const ofService: Record<string, Rate> = {};
      for (const upstream of Object.values(service.upstreams)) {
        const key = `${service.name}/${upstream.name}`;
        totals.set(key, upstream);
        ofService[upstream.name] = rateOf(this.last.get(key) ?? upstream, upstream, seconds);
      }
      rates.set(service.name, ofService);
    }
    this.last = totals;
    this.lastMs = nowMs;
    return rates;
  }
}

type Totals = Pick<UpstreamView, 'requests' | 'trials' | 'errors'>;

function rateOf(before: Totals, now: Totals, seconds: number): Rate {
  const trials = now.trials - before.trials;
  return {
    requestsPerS: Math.max(0, now.requests - before.requests) / seconds,
    errorShare: trials <= 0 ? null : Math.max(0, now.errors - before.errors) / trials,
  };
}
