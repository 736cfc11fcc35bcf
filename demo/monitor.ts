import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceView, UpstreamView } from '../src/app/control-plane.ts';
import type { AdminClient } from '../src/cli/client.ts';
import { percent } from '../src/cli/render/numbers.ts';
import { rolloutLine } from '../src/cli/render/rollout.ts';
import { weightsText } from '../src/cli/render/service.ts';
import { bar, type Cell, table } from '../src/cli/style.ts';
import { type Load, total } from './load.ts';
import type { Screen } from './screen.ts';

const EVERY_MS = 100;
const BAR_CELLS = 30;

/** Reads the shop's state from the gate, shows it, and lets a scene wait for something to be true of it. */
export class Monitor {
  private readonly client: AdminClient;
  private readonly load: Load;
  private readonly screen: Screen;
  private readonly signal: AbortSignal;

  constructor(parts: { client: AdminClient; load: Load; screen: Screen; signal: AbortSignal }) {
    this.client = parts.client;
    this.load = parts.load;
    this.screen = parts.screen;
    this.signal = parts.signal;
  }

  read(): Promise<ServiceView> {
    return this.client.service('shop');
  }

  /** Shows the shop until `done`, and returns it as it was then. Throws after `withinMs`. */
  async until(what: string, withinMs: number, done: (view: ServiceView) => boolean): Promise<ServiceView> {
    const endsAt = performance.now() + withinMs;
    for (;;) {
      const view = await this.read();
      this.show(view);
      if (done(view)) return view;
      if (performance.now() > endsAt) throw new Error(`waited ${withinMs / 1000}s in vain for ${what}`);
      await sleep(EVERY_MS, undefined, { signal: this.signal });
    }
  }

  private show(view: ServiceView): void {
    this.screen.live(() => this.lines(view), milestone(view));
  }

  private lines(view: ServiceView): string[] {
    const { paint } = this.screen;
    const upstreams = Object.values(view.upstreams);
    const weights = upstreams.reduce((sum, { weight }) => sum + weight, 0);
    const { rollout } = view;
    const { tally } = this.load;
    return [
      ...table(
        upstreams.map((upstream) => upstreamRow(upstream, upstream.weight / Math.max(1, weights))),
        paint,
      ),
      paint('dim', `  ${rollout === null ? 'no rollout yet' : `rollout ${rolloutLine(rollout)}`}`),
      paint(
        'dim',
        `  load: ${tally.sent} sent, ${total(tally.answered)} answered, ${total(tally.failed)} failed, ${tally.lost.length} lost`,
      ),
    ];
  }
}

function upstreamRow(upstream: UpstreamView, share: number): Cell[] {
  const { name, role, requests, inFlight, upgrades, drain } = upstream;
  const draining =
    drain !== null && !drain.drained ? `draining, ${inFlight + upgrades} left` : `${inFlight + upgrades} open`;
  return [
    { text: `  ${name}`, format: 'bold' },
    { text: bar(share, BAR_CELLS), format: name === 'blue' ? 'blue' : 'green' },
    { text: percent(share), align: 'right' },
    { text: `${requests} requests`, align: 'right' },
    { text: draining, format: 'dim' },
    { text: role, format: 'dim' },
  ];
}

function milestone(view: ServiceView): string {
  const { rollout } = view;
  const phase = rollout === null ? '' : ` (rollout ${rollout.id} ${rollout.position.phase.replace('_', ' ')})`;
  return `${weightsText(view)}${phase}`;
}
