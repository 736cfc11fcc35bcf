import { type Expectation, parseExpectation } from '../loadtest/expectation.ts';
import { ROLLOUT_SCENARIOS, type ScenarioName } from '../loadtest/scenario-names.ts';
import { durationOption, stageArgument } from './arguments.ts';
import type { GlobalOptions } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import type { Io } from './io.ts';

/** As commander gives them. */
export interface LoadtestOptions extends GlobalOptions {
  readonly spawn?: string;
  readonly service?: string;
  readonly scenario: ScenarioName;
  readonly to?: string;
  readonly every?: string;
  readonly stage?: readonly string[];
  readonly rate?: string;
  readonly connections?: string;
  readonly duration: string;
  readonly warmup: string;
  readonly method: string;
  readonly header?: readonly string[];
  readonly body?: string;
  readonly expect?: readonly string[];
  readonly timeout?: string;
  readonly junit?: string;
  readonly markdown?: string;
  readonly logs?: string;
}

/** What the options ask for, checked before anything starts. */
export interface LoadtestPlan {
  /** A path is one of the gate that `--spawn` starts. */
  readonly address: { readonly kind: 'url'; readonly url: URL } | { readonly kind: 'path'; readonly path: string };
  readonly rate: number | null;
  readonly connections: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly rollout: Readonly<Record<string, unknown>>;
  readonly expectations: readonly Expectation[];
  /** Whether an admin endpoint is used. */
  readonly operates: boolean;
}

const DEFAULT_RATE = 100;
const DEFAULT_CONNECTIONS = 10;
const MOST_CONNECTIONS = 10_000;
const MOST_RATE = 1_000_000;
/** Beyond load and warm-up: for the start of the processes, a rollout, the drain. */
const MARGIN_MS = 10 * 60_000;

/** Throws CliError `usage`. */
export function planLoadtest(address: string | undefined, options: LoadtestOptions, env: Io['env']): LoadtestPlan {
  refuseUnused(options);
  const rate = rateOf(options);
  const warmupMs = duration('--warmup', options.warmup, 0);
  const durationMs = duration('--duration', options.duration, 1);
  const plan: LoadtestPlan = {
    address: addressOf(address, options),
    rate,
    connections: connectionsOf(options, rate),
    warmupMs,
    durationMs,
    everyMs: duration('--every', options.every ?? (options.scenario === 'switch' ? '500ms' : '2s'), 1),
    timeoutMs:
      options.timeout === undefined ? warmupMs + durationMs + MARGIN_MS : duration('--timeout', options.timeout, 1),
    method: methodOf(options.method),
    headers: headersOf(options.header ?? []),
    rollout: rolloutOf(options),
    expectations: [],
    operates: operates(options, env),
  };
  const expectations = expectationsOf(options, plan);
  refuseUnknowable(expectations, plan, options);
  return { ...plan, expectations };
}

/** A test that does less than its line says would pass for the wrong reason. */
function refuseUnused({ scenario, to, every, spawn, logs }: LoadtestOptions): void {
  if (to !== undefined && (scenario === 'steady' || scenario === 'reload')) {
    throw new CliError(EXIT.usage, `--to is not for --scenario ${scenario}`);
  }
  if (every !== undefined && scenario === 'steady')
    throw new CliError(EXIT.usage, '--every is not for --scenario steady');
  if (logs !== undefined && spawn === undefined)
    throw new CliError(EXIT.usage, '--logs is for the processes of --spawn');
}

function addressOf(address: string | undefined, { spawn, scenario }: LoadtestOptions): LoadtestPlan['address'] {
  if (scenario === 'restart-target' && spawn === undefined) {
    throw new CliError(EXIT.usage, '--scenario restart-target needs --spawn: only its own processes can be restarted');
  }
  if (spawn !== undefined) {
    if (address === undefined || address.startsWith('/')) return { kind: 'path', path: address ?? '/' };
    throw new CliError(EXIT.usage, `${address}: with --spawn give a path, such as /checkout`);
  }
  if (address === undefined) {
    throw new CliError(EXIT.usage, 'loadtest needs a URL, or --spawn FILE', {
      hint: 'tealgate loadtest http://127.0.0.1:8080/',
    });
  }
  const url = URL.canParse(address) ? new URL(address) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return { kind: 'url', url };
  throw new CliError(EXIT.usage, `${address}: not a URL`, { hint: 'give it as http://127.0.0.1:8080/' });
}

function rateOf({ rate, connections }: LoadtestOptions): number | null {
  if (rate !== undefined) return whole('--rate', rate, MOST_RATE);
  return connections === undefined ? DEFAULT_RATE : null;
}

/** Enough for answers that take 100 ms, if nothing else is said. */
function connectionsOf({ connections }: LoadtestOptions, rate: number | null): number {
  if (connections !== undefined) return Math.min(whole('--connections', connections, MOST_CONNECTIONS), rate ?? 1e9);
  if (rate === null) return DEFAULT_CONNECTIONS;
  return Math.min(rate, Math.max(DEFAULT_CONNECTIONS, Math.ceil(rate / 10)), MOST_CONNECTIONS);
}

/** Those that autocannon writes, but CONNECT, which has no answer of the usual form. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'];

function methodOf(text: string): string {
  const method = text.toUpperCase();
  if (METHODS.includes(method)) return method;
  throw new CliError(EXIT.usage, `--method ${text}: not a method that it can send`, {
    hint: `one of: ${METHODS.join(', ')}`,
  });
}

function headersOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*([\t\u0020-\u007e]*)$/.exec(line) ?? [];
      if (name !== undefined && value !== undefined) return [name, value];
      throw new CliError(EXIT.usage, `--header ${line}: not a header`, { hint: "--header 'Name: value'" });
    }),
  );
}

/** Stages short enough for a pipeline, unless they are given. Smoke requests and guards stay those of the service. */
function rolloutOf(options: LoadtestOptions): Record<string, unknown> {
  const { stage, scenario, every = '2s' } = options;
  if (stage !== undefined) {
    if (!ROLLOUT_SCENARIOS.has(scenario)) throw new CliError(EXIT.usage, `--stage is not for --scenario ${scenario}`);
    return { strategy: 'canary', stages: stage.map(stageArgument) };
  }
  const hold = every;
  return {
    strategy: 'canary',
    stages: [
      { weight: 10, hold },
      { weight: 50, hold },
      { weight: 100, hold },
    ],
  };
}

function expectationsOf({ expect, scenario }: LoadtestOptions, plan: LoadtestPlan): Expectation[] {
  const given = (expect ?? defaults(scenario, plan)).map((text) => {
    const parsed = parseExpectation(text);
    if (parsed.ok) return parsed.value;
    throw new CliError(EXIT.usage, `--expect ${parsed.mistake}`);
  });
  // What a rollout scenario is for is expected of it in any case.
  const end = scenario === 'canary' ? 'promoted==1' : 'rolled_back==1';
  const said = given.some(({ metric }) => metric === 'promoted' || metric === 'rolled_back');
  const own = ROLLOUT_SCENARIOS.has(scenario) && !said ? parseExpectation(end) : null;
  return own?.ok ? [...given, own.value] : given;
}

/** While a bad candidate is found out, requests that cannot be repeated fail, and their clients are told. */
function defaults(scenario: ScenarioName, { operates, rate }: LoadtestPlan): string[] {
  return [
    'errors==0',
    ...(scenario === 'rollback' ? [] : ['non2xx==0']),
    // Behind a system too slow for the rate, most of the load may be missing without one error.
    ...(rate === null ? [] : ['unsent==0']),
    ...(operates ? ['lost==0'] : []),
  ];
}

function refuseUnknowable(expectations: readonly Expectation[], plan: LoadtestPlan, options: LoadtestOptions): void {
  for (const { text, metric, share } of expectations) {
    if (metric === 'lost' && !plan.operates) {
      throw new CliError(EXIT.usage, `--expect ${text}: only the ledger of a gate knows`, {
        hint: 'name the gate by --admin, or start one by --spawn',
      });
    }
    if (metric === 'rate' && share && plan.rate === null) {
      throw new CliError(EXIT.usage, `--expect ${text}: a share of what? give --rate`);
    }
    if ((metric === 'promoted' || metric === 'rolled_back') && !ROLLOUT_SCENARIOS.has(options.scenario)) {
      throw new CliError(EXIT.usage, `--expect ${text}: --scenario ${options.scenario} has no rollout`);
    }
  }
}

function operates({ spawn, service, scenario, admin }: LoadtestOptions, env: Io['env']): boolean {
  const named = admin ?? env.TEALGATE_ADMIN;
  return spawn !== undefined || service !== undefined || scenario !== 'steady' || named !== undefined;
}

function whole(name: string, text: string, most: number): number {
  const n = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (n >= 1 && n <= most) return n;
  throw new CliError(EXIT.usage, `${name} ${text}: give a whole number from 1 to ${most}`);
}

/** At most 24 hours: the longest that a timer of Node.js can be set to is not much more than that many days. */
function duration(name: string, text: string, least: number): number {
  const ms = durationOption(name, text) ?? 0;
  if (ms >= least && ms <= 86_400_000) return ms;
  throw new CliError(EXIT.usage, `${name} ${text}: give a duration of at most 24h${least > 0 ? ', and not 0' : ''}`);
}
