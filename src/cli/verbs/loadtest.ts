import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatDuration } from '../../config/units.ts';
import { Deployment } from '../../loadtest/deployment.ts';
import { whyUnreachable } from '../../loadtest/reach.ts';
import { makeReport, type Report } from '../../loadtest/report.ts';
import { heaviest, type Measurement, runLoadtest } from '../../loadtest/run.ts';
import { readSpawnFile, type SpawnFile } from '../../loadtest/spawn-file.ts';
import { TealgateError } from '../../platform/errors.ts';
import { entryUrl } from '../../platform/location.ts';
import { AdminClient } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { LoadtestGate } from '../loadtest-gate.ts';
import { type LoadtestOptions, type LoadtestPlan, planLoadtest } from '../loadtest-options.ts';
import { checkReportFiles, progressWriter, writeFailure, writeReport } from '../loadtest-output.ts';

/** Puts load on a gate, operates it meanwhile, and exits with 0 when everything expected holds. */
export async function loadtest(ctx: Context, address: string | undefined, options: LoadtestOptions): Promise<ExitCode> {
  const plan = planLoadtest(address, options, ctx.io.env);
  await checkReportFiles(ctx, options);
  const stop = new Stop(ctx.io.signal, plan.timeoutMs);
  try {
    const report = await new Test(ctx, options, plan, stop).run().catch(async (error: unknown) => {
      await writeFailure(ctx, error, options);
      throw error;
    });
    await writeReport(ctx, report, options);
    if (stop.timedOut) return EXIT.timeout;
    return report.ok ? EXIT.ok : EXIT.failed;
  } finally {
    stop.close();
  }
}

class Test {
  readonly #ctx: Context;
  readonly #options: LoadtestOptions;
  readonly #plan: LoadtestPlan;
  readonly #stop: Stop;

  constructor(ctx: Context, options: LoadtestOptions, plan: LoadtestPlan, stop: Stop) {
    this.#ctx = ctx;
    this.#options = options;
    this.#plan = plan;
    this.#stop = stop;
  }

  async run(): Promise<Report> {
    const { spawn } = this.#options;
    if (spawn === undefined) return this.#measure(null);
    const file = await readSpawnFile(spawn);
    const name = this.#options.to;
    if (this.#options.scenario === 'restart-target') processToRestart(file, name);
    return this.#runSpawned(file);
  }

  /** The output of the processes is kept when something failed, or when it was asked for. */
  async #runSpawned(file: SpawnFile): Promise<Report> {
    const { logs } = this.#options;
    const directory = logs === undefined ? await mkdtemp(join(tmpdir(), 'tealgate-loadtest-')) : resolve(logs);
    await mkdir(directory, { recursive: true }).catch((error: Error) => {
      throw new CliError(EXIT.usage, `--logs ${directory}: ${error.message}`, { cause: error });
    });
    const env = { ...this.#ctx.io.env };
    const { signal } = this.#stop;
    const options = { directory, env, tealgate: TEALGATE, signal };
    const deployment = await Deployment.start(file, options).catch((error: unknown) => {
      throw startFailure(error, directory);
    });
    let report: Report;
    let died: string[];
    try {
      report = await this.#measure({ deployment, file });
    } finally {
      died = await deployment.stop();
    }
    const problems = [...report.problems, ...died];
    const ok = report.ok && problems.length === 0;
    if (ok && logs === undefined) await rm(directory, { recursive: true, force: true });
    return { ...report, ok, problems, logs: ok && logs === undefined ? null : directory };
  }

  async #measure(spawned: { deployment: Deployment; file: SpawnFile } | null): Promise<Report> {
    const { scenario, body, service } = this.#options;
    const { rate, connections, warmupMs, durationMs, everyMs, method, headers, rollout, expectations } = this.#plan;
    const url = this.#url(spawned?.deployment ?? null);
    const unreachable = await whyUnreachable(url.hostname.replace(/^\[|\]$/g, ''), portOf(url));
    if (unreachable !== null) throw new CliError(EXIT.unreachable, `cannot reach ${url.origin} (${unreachable})`);
    const client = await this.#client(spawned?.deployment ?? null);
    try {
      const gate = client === null ? null : await LoadtestGate.find(client, service);
      const startedAt = new Date();
      const measurement = await runLoadtest({
        load: { url: url.href, method, headers, body: body ?? null, rate, connections, warmupMs, durationMs },
        scenario,
        everyMs,
        gate,
        to: gate === null ? null : await this.#candidate(gate),
        plan: rollout,
        restart: spawned === null ? null : (signal) => this.#restart(spawned, signal),
        signal: this.#stop.signal,
        onProgress: progressWriter(this.#ctx),
      });
      const asked = { url: url.href, scenario, service: gate?.service ?? null, rate, connections, warmupMs };
      return makeReport({ ...asked, expectations }, startedAt, this.#withStop(measurement));
    } finally {
      if (spawned !== null) await client?.close();
    }
  }

  #url(deployment: Deployment | null): URL {
    const { address } = this.#plan;
    if (address.kind === 'url') return address.url;
    return new URL(address.path, deployment?.url);
  }

  async #client(deployment: Deployment | null): Promise<AdminClient | null> {
    if (deployment !== null) return AdminClient.from({ ...this.#options, admin: deployment.admin }, this.#ctx.io);
    return this.#plan.operates ? this.#ctx.client() : null;
  }

  /** The upstream to introduce: as named, else the only one besides that which has the traffic. */
  async #candidate(gate: LoadtestGate): Promise<string | null> {
    const { scenario, to } = this.#options;
    if (scenario === 'steady' || scenario === 'reload' || scenario === 'restart-target') return null;
    const reading = await gate.read();
    const { upstreams } = reading;
    const names = Object.keys(upstreams);
    const idle = names.filter((name) => upstreams[name]?.weight === 0);
    const candidate = to ?? (idle.length === 1 ? idle[0] : undefined);
    const hint = `upstreams of ${gate.service}: ${names.join(', ')}`;
    if (candidate === undefined || !names.includes(candidate)) {
      const message = to === undefined ? `--scenario ${scenario} needs --to` : `${gate.service} has no upstream ${to}`;
      throw new CliError(EXIT.usage, message, { hint });
    }
    const from = scenario === 'switch' ? heaviest(reading) : reading.stable;
    if (candidate !== from) return candidate;
    throw new CliError(EXIT.usage, `--to ${candidate}: ${gate.service} is on ${candidate} already`, { hint });
  }

  #restart({ deployment, file }: { deployment: Deployment; file: SpawnFile }, signal: AbortSignal): Promise<void> {
    return deployment.restart(processToRestart(file, this.#options.to), signal);
  }

  #withStop(measurement: Measurement): Measurement {
    const why = this.#stop.reason(this.#plan.timeoutMs);
    return why === null ? measurement : { ...measurement, problems: [why, ...measurement.problems] };
  }
}

/** This program, from its sources or its build. */
const TEALGATE = [process.execPath, fileURLToPath(entryUrl('cli/main'))] as const;

/** As named, else the first in the file. Throws CliError `usage`. */
function processToRestart({ upstreams }: SpawnFile, name: string | undefined): string {
  const found = upstreams.find((upstream) => name === undefined || upstream.name === name);
  if (found !== undefined) return found.name;
  throw new CliError(EXIT.usage, `--to ${name}: not in the file of --spawn`, {
    hint: `there are ${upstreams.map((upstream) => upstream.name).join(', ')}`,
  });
}

function startFailure(error: unknown, directory: string): unknown {
  if (!(error instanceof TealgateError)) return error;
  const { code, message } = error;
  const exit = code === 'invalid_config' ? EXIT.usage : code === 'timeout' ? EXIT.timeout : EXIT.failed;
  return new CliError(exit, message, { code, hint: `the output of every process is in ${directory}`, cause: error });
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

/** SIGHUP comes when the terminal is closed; the processes of --spawn are in sessions of their own and would stay. */
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Ends the test at `--timeout` or a signal; the second signal ends the process at once. */
class Stop {
  readonly signal: AbortSignal;
  timedOut = false;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #handle = (signal: NodeJS.Signals) => {
    if (this.#controller.signal.aborted) process.exit(128 + constants.signals[signal]);
    this.#controller.abort();
  };

  constructor(outer: AbortSignal, timeoutMs: number) {
    this.signal = AbortSignal.any([outer, this.#controller.signal]);
    this.#timer = setTimeout(() => {
      this.timedOut = true;
      this.#controller.abort();
    }, timeoutMs);
    for (const signal of SIGNALS) process.on(signal, this.#handle);
  }

  /** Why it ended early; null when it did not. */
  reason(timeoutMs: number): string | null {
    if (!this.signal.aborted) return null;
    return this.timedOut ? `it did not end within ${formatDuration(timeoutMs)}` : 'it was interrupted';
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const signal of SIGNALS) process.off(signal, this.#handle);
  }
}
