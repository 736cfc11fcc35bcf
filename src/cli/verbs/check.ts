import type { Config, ServiceConfig } from '../../config/config.ts';
import { type ConfigProblem, formatProblem, loadConfig } from '../../config/load.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { percent, shortDuration } from '../render/numbers.ts';

/** Checks a configuration as a start would, without starting: every mistake at once, exit code 2 if there is one. */
export async function check(ctx: Context, file: string): Promise<ExitCode> {
  const result = loadConfig(file, { ...ctx.io.env });
  const problems = result.ok ? [] : result.problems;
  const warnings = result.ok ? result.warnings : [];
  if (ctx.out.json) ctx.out.document({ ok: result.ok, file, problems, warnings });
  else if (result.ok) ctx.out.result(null, [`${file} is valid`, ...summary(result.config)].join('\n'));
  if (!ctx.out.json) ctx.out.failures(describe(problems, warnings));
  return result.ok ? EXIT.ok : EXIT.usage;
}

/** What is wrong and what is doubtful, ending with a count. */
function describe(problems: readonly ConfigProblem[], warnings: readonly ConfigProblem[]): string[] {
  const lines = [
    ...problems.map((problem) => `error: ${formatProblem(problem)}`),
    ...warnings.map((warning) => `warning: ${formatProblem(warning)}`),
  ];
  if (problems.length === 0) return lines;
  return [...lines, `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`];
}

function summary(config: Config): string[] {
  const { admin, listeners, services, store, workers } = config;
  return [
    `listeners  ${listeners.map(({ host, port, tls }) => addressText(host, port) + (tls === null ? '' : ' (TLS)')).join(', ')}`,
    `admin      ${admin.address.kind === 'unix' ? `unix:${admin.address.path}` : addressText(admin.address.host, admin.address.port)}`,
    `store      ${store.path}`,
    `workers    ${workers}`,
    ...Object.values(services).flatMap(serviceLines),
  ];
}

function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function serviceLines(service: ServiceConfig): string[] {
  const upstreams = Object.entries(service.upstreams);
  const total = upstreams.reduce((sum, [, { weight }]) => sum + weight, 0);
  const width = Math.max(...upstreams.map(([name]) => name.length));
  return [
    `service    ${service.name}: ${service.hosts.join(', ') || 'any host'} ${service.paths.join(', ')}`,
    ...upstreams.map(([name, { weight, targets }]) => {
      const share = percent(total === 0 ? 0 : weight / total).padStart(5);
      return `  ${name.padEnd(width)}  ${share}  ${targets.join(', ')}${name === service.stable ? '  (stable)' : ''}`;
    }),
    `  rollout  ${service.rollout.strategy}: ${service.rollout.stages.map(stageText).join(' → ')}`,
  ];
}

function stageText({ weight, holdMs, mirror, minRequests, gate }: ServiceConfig['rollout']['stages'][number]): string {
  const copies = mirror === undefined ? '' : ` and copies of ${percent(mirror)}`;
  const begun = `${gate === undefined ? '' : 'gate, '}${weight} %${copies}`;
  const held = holdMs === 0 ? begun : `${begun} for ${shortDuration(holdMs)}`;
  return minRequests === undefined ? held : `${held} and ${minRequests} requests`;
}
