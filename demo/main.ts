import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient, parseAdmin } from '../src/cli/client.ts';
import { demoConfig } from './config.ts';
import { Load } from './load.ts';
import { Monitor } from './monitor.ts';
import { GateProcess, ShopProcess } from './processes.ts';
import { badCanary, goodCanary, switchWithStreams } from './scenes.ts';
import { Screen } from './screen.ts';
import { type Accounts, checks, summaryLines } from './summary.ts';

/** How long v3 is watched after its rollback: not one request may reach it. */
const AFTERMATH_MS = 1_000;

/** Three versions of a shop, a gate in front, steady load, and three releases. 0 when everything it claims held. */
async function main(screen: Screen, signal: AbortSignal): Promise<number> {
  await using closing = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'tealgate-demo-'));
  closing.defer(() => rm(directory, { recursive: true, force: true }));

  screen.say(screen.paint('bold', 'Tealgate demo: three releases of a shop under steady load'));
  const [v1, v2, v3] = await Promise.all([
    ShopProcess.start({ version: 'v1', colour: '#2563eb', failsOneIn: 0 }),
    ShopProcess.start({ version: 'v2', colour: '#0d9488', failsOneIn: 0 }),
    ShopProcess.start({ version: 'v3', colour: '#dc2626', failsOneIn: 5 }),
  ]);
  for (const shop of [v1, v2, v3]) closing.use(shop);

  const configPath = join(directory, 'tealgate.yaml');
  await writeFile(configPath, demoConfig({ blue: v1.url, green: v2.url }));
  screen.say(`  ${screen.paint('cyan', '$ tealgate run --config tealgate.yaml')}`);
  const gate = closing.use(await GateProcess.start(configPath));
  screen.say(`    the shop       ${gate.url}/`, `    the dashboard  ${gate.admin}/`);

  const client = new AdminClient(parseAdmin(gate.admin), null, signal);
  closing.defer(() => client.close());
  const load = new Load(gate.url);
  closing.defer(() => load.stop());
  const stage = { gate, screen, monitor: new Monitor({ client, load, screen, signal }) };

  await goodCanary(stage);
  const streams = await switchWithStreams(stage, { from: v2, to: v1 });
  const badRollout = await badCanary(stage, v3);
  const atRollback = (await v3.report()).requests;
  await sleep(AFTERMATH_MS, undefined, { signal });
  await load.stop();

  const service = await stage.monitor.until('the ledger to settle', 5_000, ({ ledger }) => ledger.inFlight === 0);
  const shops = { v1: await v1.report(), v2: await v2.report(), v3: await v3.report() };
  const afterRollback = shops.v3.requests - atRollback;
  const gateExit = await gate.stop();
  return conclude(screen, { load: load.tally, streams, service, shops, badRollout, afterRollback, gateExit });
}

function conclude(screen: Screen, accounts: Accounts): number {
  screen.say('', screen.paint('bold', 'What became of every request'), ...summaryLines(accounts), '');
  const results = checks(accounts);
  screen.say(
    ...results.map(({ what, holds }) =>
      holds ? `  ${screen.paint('green', '✓')} ${what}` : `  ${screen.paint('red', '✗')} NOT SO: ${what}`,
    ),
  );
  return results.every(({ holds }) => holds) ? 0 : 1;
}

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());
process.once('SIGTERM', () => interrupt.abort());
const screen = new Screen();
try {
  process.exitCode = await main(screen, interrupt.signal);
} catch (error) {
  screen.end();
  process.exitCode = interrupt.signal.aborted ? 130 : 1;
  if (!interrupt.signal.aborted)
    process.stderr.write(`the demo failed: ${error instanceof Error ? error.stack : String(error)}\n`);
}
