import type { ServiceView } from '../src/app/control-plane.ts';
import { reasonOf } from '../src/cli/render/rollout.ts';
import { ENDED, type Rollout } from '../src/rollout/rollout.ts';
import type { Monitor } from './monitor.ts';
import type { GateProcess, ShopProcess } from './processes.ts';
import type { Screen } from './screen.ts';
import { Streams, type StreamTally } from './streams.ts';

/** Drain time of the demo's configuration: what is left then is cut. */
export const DRAIN_MS = 3_000;

export interface Stage {
  readonly gate: GateProcess;
  readonly screen: Screen;
  readonly monitor: Monitor;
}

/** v2 goes to green and takes over stage by stage. */
export async function goodCanary(stage: Stage): Promise<Rollout> {
  heading(stage, '1  A good canary: v2 takes over from v1, stage by stage');
  await type(stage, 'rollout', 'start', 'shop', '--to', 'green');
  const rollout = await endOfRollout(stage);
  if (rollout.position.phase !== 'promoted') throw new Error(`expected v2 to be promoted: ${outcome(rollout)}`);
  stage.screen.say(good(stage, `v2 is promoted after ${seconds(rollout)} s; blue is drained and idle`));
  return rollout;
}

/** An operator goes back to v1 at once, with WebSockets and event streams open on v2. */
export async function switchWithStreams(
  stage: Stage,
  shops: { from: ShopProcess; to: ShopProcess },
): Promise<StreamTally> {
  heading(stage, '2  A switch back to v1, with WebSockets and event streams open');
  const streams = new Streams(stage.gate.url, { webSockets: 4, eventStreams: 3 });
  try {
    await stage.monitor.until('the streams to open', 5_000, () => streams.on(shops.from.version) === 7);
    stage.screen.say(`  4 WebSockets and 3 event streams are open on ${shops.from.version}`);
    await type(stage, 'switch', 'shop', 'blue');
    await stage.monitor.until('green to drain', DRAIN_MS + 5_000, isDrained('green'));
    await stage.monitor.until('the streams to connect again', 5_000, () => streams.on(shops.to.version) === 7);
  } finally {
    await streams.stop();
  }
  const { messages, events, faults, closeCodes } = streams.tally;
  if (faults.length > 0) throw new Error(`the streams were disturbed: ${faults.join('; ')}`);
  stage.screen.say(
    good(
      stage,
      `new requests went to ${shops.to.version} at once; the streams lived on while green drained, then came to blue`,
    ),
    `    ${messages} WebSocket messages and ${events} events, none broken or out of order`,
    `    green's WebSockets were closed at the end of the drain with code ${[...new Set(closeCodes.slice(0, 4))].join(', ')}`,
  );
  return streams.tally;
}

/** v3 answers its health checks, and fails one request in five. */
export async function badCanary(stage: Stage, v3: ShopProcess): Promise<Rollout> {
  heading(stage, '3  A bad canary: v3 is healthy, and fails one request in five');
  await type(stage, 'targets', 'shop', 'green', v3.url);
  await type(stage, 'rollout', 'start', 'shop', '--to', 'green');
  const rollout = await endOfRollout(stage);
  if (rollout.position.phase !== 'rolled_back') throw new Error(`expected v3 to be rolled back: ${outcome(rollout)}`);
  const { trials } = rollout.counts.candidate;
  stage.screen.say(
    good(stage, `rolled back by itself after ${trials} candidate requests and ${exposedMs(rollout)} ms`),
    `    ${reasonOf(rollout) ?? ''}`,
  );
  return rollout;
}

/** How long the candidate had traffic. */
export function exposedMs(rollout: Rollout): number {
  const began = rollout.transitions.find(({ to }) => to === 'progressing')?.at ?? rollout.startedAt;
  return (rollout.transitions.at(-1)?.at ?? began) - began;
}

async function endOfRollout(stage: Stage): Promise<Rollout> {
  const ended = ({ rollout }: ServiceView) => rollout !== null && ENDED.has(rollout.position.phase);
  const { rollout } = await stage.monitor.until('the rollout to end', 30_000, ended);
  if (rollout === null) throw new Error('the rollout is gone');
  return rollout;
}

/** Types a command for the audience, and shows what it answers. */
async function type(stage: Stage, ...argv: readonly string[]): Promise<void> {
  const { screen, gate } = stage;
  screen.say(`  ${screen.paint('cyan', `$ tealgate ${argv.join(' ')}`)}`);
  const { code, output } = await gate.command(...argv);
  screen.say(...output.split('\n').map((line) => `    ${line}`));
  if (code !== 0) throw new Error(`tealgate ${argv.join(' ')} exited with ${code}`);
}

function isDrained(upstream: string): (view: ServiceView) => boolean {
  return ({ upstreams }) => upstreams[upstream]?.drain?.drained === true;
}

function heading({ screen }: Stage, text: string): void {
  screen.say('', screen.paint('bold', text));
}

function good({ screen }: Stage, text: string): string {
  return `  ${screen.paint('green', '✓')} ${text}`;
}

function outcome(rollout: Rollout): string {
  return `${rollout.position.phase} ${reasonOf(rollout) ?? ''}`;
}

function seconds(rollout: Rollout): string {
  return (((rollout.transitions.at(-1)?.at ?? rollout.startedAt) - rollout.startedAt) / 1000).toFixed(1);
}
