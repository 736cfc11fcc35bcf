/** Tealgate beside its peers, in one interleaved run; see docs/performance.md. */
import { join } from 'node:path';
import { judge } from './budgets.ts';
import { Lab } from './lab.ts';
import { describeMachine, runnable } from './machine.ts';
import { type BenchOptions, readOptions, USAGE } from './options.ts';
import { PEERS } from './peers/all.ts';
import type { Peer } from './peers/peer.ts';
import { programVersion } from './peers/version.ts';
import { type Report, renderMarkdown } from './report/markdown.ts';
import { writeReport } from './report/write.ts';
import { runRounds } from './run.ts';

const RESULTS = join(import.meta.dirname, 'results');

async function main(): Promise<void> {
  const options = optionsOrExit();
  if (process.platform !== 'linux' || programVersion(['wrk', '-v'], /wrk (\S+)/) === null) {
    console.error('the bench needs Linux (it reads /proc) and wrk (apt-get install wrk)');
    process.exit(2);
  }
  const { present, missing } = choosePeers(options);
  for (const peer of missing) say(`${peer.title} is not installed and left out`);
  const loadBefore = runnable();
  const lab = await Lab.open();
  const interrupt = (): void => void lab.close().finally(() => process.exit(130));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const result = await runRounds(lab, present, options, say);
    const report: Report = {
      name: options.name,
      machine: describeMachine(lab.cores, lab.targets, loadBefore),
      rounds: options.rounds,
      seconds: options.seconds,
      peers: present.map(({ id, title, version }) => ({ id, title, version: version() ?? '' })),
      leftOut: missing.map(({ title }) => `${title}: not installed`),
      result,
      verdicts: judge(result),
    };
    const path = writeReport(report, RESULTS);
    console.log(renderMarkdown(report));
    say(`written: ${path}, with JSON and pictures beside it`);
  } finally {
    await lab.close();
  }
}

function optionsOrExit(): BenchOptions {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options !== null) return options;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

function choosePeers({ peers }: BenchOptions): { present: Peer[]; missing: Peer[] } {
  const asked = PEERS.filter(({ id }) => peers.includes(id));
  const isPresent = (peer: Peer): boolean => peer.version() !== null;
  return { present: asked.filter(isPresent), missing: asked.filter((peer) => !isPresent(peer)) };
}

/** Progress, apart from the result. */
function say(line: string): void {
  console.error(line);
}

await main();
