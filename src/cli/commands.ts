import { type Command, Option } from 'commander';
import type { RolloutAction } from '../app/control-plane.ts';
import { SCENARIOS } from '../loadtest/scenario-names.ts';
import type { Context } from './context.ts';
import type { ExitCode } from './exit.ts';
import { GOALS } from './goals.ts';
import type { LoadtestOptions } from './loadtest-options.ts';
import type { Session } from './session.ts';
import type { EventsOptions } from './verbs/events.ts';
import type { ExplainOptions } from './verbs/explain.ts';
import type { RedeliverOptions } from './verbs/notifications.ts';
import type { ReplayOptions } from './verbs/replay.ts';
import type { RolloutPreviewOptions } from './verbs/rollout-plan.ts';
import type { RolloutStartOptions } from './verbs/rollout-start.ts';
import type { RunOptions } from './verbs/run.ts';
import type { SwitchOptions } from './verbs/switch.ts';
import type { UpstreamAction } from './verbs/upstream.ts';
import type { WaitOptions } from './verbs/wait.ts';
import type { WeightsOptions } from './verbs/weights.ts';
import { whose } from './whose.ts';

interface InGroup {
  readonly group?: string;
}

type Verb = (ctx: Context) => Promise<ExitCode>;

/** Every command, with its verb loaded when it is used: `--version` and `--help` load none. */
export function registerCommands(program: Command, session: Session): void {
  serverCommands(program, session);
  readingCommands(program, session);
  trafficCommands(program, session);
  rolloutCommands(program, session);
  notificationCommands(program, session);
  loadtestCommand(program, session);
  helperCommands(program, session);
}

function serverCommands(program: Command, session: Session): void {
  program
    .command('run')
    .description('start a gate; SIGTERM drains and stops, SIGHUP or a changed file reloads')
    .option('-c, --config <file>', 'configuration (TEALGATE_CONFIG)')
    .addHelpText(
      'before',
      examples(
        'run --config tealgate.yaml',
        'run -c /etc/tealgate/tealgate.yaml | jq .',
        'check tealgate.yaml && tealgate run -c tealgate.yaml',
      ),
    )
    .action((options: RunOptions, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/run.ts')).run(ctx, options)),
    );
  program
    .command('check <file>')
    .description('check a configuration without starting; all mistakes at once')
    .addHelpText(
      'before',
      examples('check tealgate.yaml', 'check tealgate.yaml --json', 'check tealgate.yaml --quiet && echo good'),
    )
    .action((file: string, _options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/check.ts')).check(ctx, file)),
    );
  program
    .command('reload')
    .description('make the gate read its configuration again')
    .addHelpText('before', examples('reload', 'reload --json', 'reload --admin unix:/run/tealgate/admin.sock'))
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/reload.ts')).reload(ctx)),
    );
}

function readingCommands(program: Command, session: Session): void {
  program
    .command('status [service]')
    .description('weights, health, requests and the rollout of each service')
    .option('-w, --watch', 'go on: redrawn on a terminal, one line per change in a pipe')
    .addHelpText('before', examples('status', 'status shop --watch', 'status shop --json | jq .upstreams.green.weight'))
    .action((service: string | undefined, options: { watch?: boolean }, command: Command) =>
      start(session, command, service, async (ctx) =>
        (await import('./verbs/status.ts')).status(ctx, service, options),
      ),
    );
  program
    .command('wait [service]')
    .description('block until a rollout is where it should be')
    .addOption(goalOption())
    .option('--group <name>', 'several services that are released as one, in place of a service')
    .option('--upstream <name>', 'with --for healthy: only the targets of this upstream')
    .option('--timeout <duration>', 'give up with exit code 3, e.g. 10m (default: wait for ever)')
    .addHelpText(
      'before',
      examples(
        'wait shop --for promoted --timeout 1h',
        'wait --group release --for paused',
        'wait shop --for healthy --upstream green --timeout 2m',
      ),
    )
    .action((service: string | undefined, options: WaitOptions & InGroup, command: Command) =>
      start(session, command, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group') return (await import('./verbs/group.ts')).groupWait(ctx, name, options);
        return (await import('./verbs/wait.ts')).wait(ctx, name, options);
      }),
    );
  program
    .command('events')
    .description('what happened, by whom: the audit trail')
    .option('-f, --follow', 'go on with what happens next')
    .option('--since <id>', 'begin after this event', '0')
    .addHelpText('before', examples('events', 'events --follow', 'events --json --since 120'))
    .action((options: EventsOptions, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/events.ts')).events(ctx, options)),
    );
  program
    .command('healthcheck')
    .description('exit 0 when the gate may take traffic (for a container HEALTHCHECK)')
    .addHelpText('before', examples('healthcheck', 'healthcheck --quiet', 'healthcheck --admin http://127.0.0.1:9901'))
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/healthcheck.ts')).healthcheck(ctx)),
    );
}

function trafficCommands(program: Command, session: Session): void {
  program
    .command('weights <service> <upstream=weight...>')
    .description('set the share of new traffic of the named upstreams, all at once')
    .option('--if-version <n>', 'refuse unless the service is at this version')
    .option('-n, --dry-run', 'show what would change')
    .addHelpText(
      'before',
      examples(
        'weights shop blue=95 green=5',
        'weights shop green=10 --dry-run',
        'weights shop green=10 --if-version 12',
      ),
    )
    .action((service: string, pairs: string[], options: WeightsOptions, command: Command) =>
      start(session, command, service, async (ctx) =>
        (await import('./verbs/weights.ts')).weights(ctx, service, pairs, options),
      ),
    );
  program
    .command('switch <service> <to>')
    .description('send all new traffic to one upstream; the other drains')
    .option('--wait', 'return when the other has drained')
    .option('--force', 'even when it has no healthy target')
    .option('--timeout <duration>', 'with --wait: give up with exit code 3')
    .option('-n, --dry-run', 'show what would change')
    .addHelpText(
      'before',
      examples('switch shop green', 'switch shop green --wait --timeout 1m', 'switch shop blue --force'),
    )
    .action((service: string, to: string, options: SwitchOptions, command: Command) =>
      start(session, command, service, async (ctx) =>
        (await import('./verbs/switch.ts')).switchTo(ctx, service, to, options),
      ),
    );
  upstreamCommand(program, session, 'drain', 'no new request, pinned or not; what is in flight finishes');
  upstreamCommand(program, session, 'enable', 'take a drained upstream back in');
  upstreamCommand(program, session, 'evict', 'break the pins of an upstream');
  program
    .command('targets <service> <upstream> <url...>')
    .description('replace the targets of an upstream, for a release to the idle side')
    .addHelpText(
      'before',
      examples(
        'targets shop green http://10.0.0.7:3000',
        'targets shop green http://10.0.0.7:3000 http://10.0.0.8:3000',
        'targets shop green http://127.0.0.1:4001 --json',
      ),
    )
    .action((service: string, upstream: string, urls: string[], _options: unknown, command: Command) =>
      start(session, command, service, async (ctx) =>
        (await import('./verbs/targets.ts')).targets(ctx, service, upstream, urls),
      ),
    );
  undoCommand(program, session);
}

function upstreamCommand(program: Command, session: Session, action: UpstreamAction, description: string): void {
  const command = program.command(`${action} <service> <upstream>`).description(description);
  if (action === 'drain') {
    command
      .option('--wait', 'return when nothing is left')
      .option('--timeout <duration>', 'with --wait: give up with exit code 3');
  }
  const more = action === 'drain' ? `${action} shop blue --wait --timeout 1m` : `${action} shop blue --quiet`;
  command
    .addHelpText('before', examples(`${action} shop blue`, more, `${action} shop blue --json`))
    .action((service: string, upstream: string, options: { wait?: boolean; timeout?: string }, self: Command) =>
      start(session, self, service, async (ctx) =>
        (await import('./verbs/upstream.ts')).operateUpstream(ctx, action, { service, upstream }, options),
      ),
    );
}

const ROLLOUT_ACTIONS: Readonly<Record<RolloutAction, string>> = {
  promote: 'make the candidate stable now, whatever stages are left',
  abort: 'give all traffic back to stable and end the rollout',
  pause: 'stay at the current weights',
  resume: 'go on from where it was paused',
  retry: 'run an ended rollout again, with the same plan',
};

function rolloutCommands(program: Command, session: Session): void {
  const rollout = program
    .command('rollout')
    .description('release an upstream stage by stage')
    .addHelpText(
      'before',
      examples('rollout start shop --to green --wait', 'rollout status shop', 'rollout abort shop'),
    );
  rollout
    .command('start [service]')
    .description("start a rollout by the service's plan; options replace parts of it")
    .requiredOption('--to <upstream>', 'the candidate; with --group also shop=green,cart=v2')
    .option('--group <name>', 'several services that are released as one, in place of a service')
    .option('--stage <weight:hold>', 'a stage, such as 5:30m; may be repeated', collect)
    .addOption(new Option('--strategy <name>').choices(['canary', 'blue-green', 'shadow']))
    .option('--plan <file>', 'YAML or JSON with keys of "rollout" in the configuration')
    .option('--replace', 'abort the rollout that runs, and start this one in the same step')
    .option('--wait', 'return when it has ended: 0 promoted, 1 otherwise')
    .option('--timeout <duration>', 'with --wait: give up with exit code 3; the rollout goes on')
    .addHelpText(
      'before',
      examples(
        'rollout start shop --to green',
        'rollout start shop --to green --stage 5:30m --stage 50:10m --stage 100',
        'rollout start --group release --to green --strategy blue-green --wait --timeout 1h',
      ),
    )
    .action((service: string | undefined, options: RolloutStartOptions & InGroup, command: Command) =>
      start(session, command, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group') return (await import('./verbs/group.ts')).groupStart(ctx, name, options);
        return (await import('./verbs/rollout-start.ts')).rolloutStart(ctx, name, options);
      }),
    );
  rollout
    .command('plan <service>')
    .description('show what a rollout would be, what each stage can see, and what could stop it; nothing is started')
    .requiredOption('--to <upstream>', 'the candidate')
    .option('--rate <n>', 'requests a second to the service to reckon with (default: those of the last minute)')
    .option('--stage <weight:hold>', 'a stage, such as 5:30m; may be repeated', collect)
    .addOption(new Option('--strategy <name>').choices(['canary', 'blue-green', 'shadow']))
    .option('--plan <file>', 'YAML or JSON with keys of "rollout" in the configuration')
    .addHelpText(
      'before',
      examples(
        'rollout plan shop --to green',
        'rollout plan shop --to green --rate 40 --stage 5:30m --stage 100',
        'rollout plan shop --to green --json | jq .power.stages[].summary',
      ),
    )
    .action((service: string, options: RolloutPreviewOptions, command: Command) =>
      start(session, command, service, async (ctx) =>
        (await import('./verbs/rollout-plan.ts')).rolloutPlan(ctx, service, options),
      ),
    );
  rollout
    .command('status [service]')
    .description('stages, verdicts, evidence and what happened so far')
    .option('--group <name>', 'several services that are released as one, in place of a service')
    .addHelpText('before', examples('rollout status shop', 'rollout status --group release', 'status shop --watch'))
    .action((service: string | undefined, options: InGroup, command: Command) =>
      start(session, command, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group') return (await import('./verbs/group.ts')).groupStatus(ctx, name);
        return (await import('./verbs/rollout-status.ts')).rolloutStatus(ctx, name);
      }),
    );
  explainCommand(program, session);
  replayCommand(program, session);
  for (const action of Object.keys(ROLLOUT_ACTIONS) as RolloutAction[]) rolloutAction(rollout, session, action);
  undoCommand(rollout, session);
}

function explainCommand(program: Command, session: Session): void {
  program
    .command('explain [rollout]')
    .description('tell why a rollout went as it did; of a service or without a name, the newest')
    .option('--store <file>', 'read the store of a gate that is not running, without touching it')
    .addHelpText('before', examples('explain shop', 'explain rmb3k2x1 --json', 'explain --store tealgate.db'))
    .action((name: string | undefined, options: ExplainOptions, command: Command) =>
      start(session, command, null, async (ctx) =>
        (await import('./verbs/explain.ts')).explainRollout(ctx, name, options),
      ),
    );
}

function replayCommand(program: Command, session: Session): void {
  program
    .command('replay [rollout]')
    .description('compute every state and verdict of rollouts again, and compare with what was recorded, to the digit')
    .option('--store <file>', 'read the store of a gate that is not running, without touching it')
    .addHelpText(
      'before',
      examples('replay', 'replay rmb3k2x1 --json', 'replay shop --store /var/lib/tealgate/tealgate.db'),
    )
    .action((name: string | undefined, options: ReplayOptions, command: Command) =>
      start(session, command, null, async (ctx) =>
        (await import('./verbs/replay.ts')).replayRollouts(ctx, name, options),
      ),
    );
}

function rolloutAction(rollout: Command, session: Session, action: RolloutAction): void {
  const command = rollout.command(`${action} [service]`).description(ROLLOUT_ACTIONS[action]);
  if (action !== 'retry') command.option('--group <name>', 'several services that are released as one');
  const more = action === 'retry' ? `rollout ${action} shop --quiet` : `rollout ${action} --group release`;
  command
    .addHelpText('before', examples(`rollout ${action} shop`, more, `rollout ${action} shop --json`))
    .action((service: string | undefined, options: InGroup, self: Command) =>
      start(session, self, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group' && action !== 'retry') {
          return (await import('./verbs/group.ts')).groupOperate(ctx, action, name);
        }
        return (await import('./verbs/rollout-operate.ts')).rolloutOperate(ctx, action, name);
      }),
    );
}

function undoCommand(parent: Command, session: Session): void {
  parent
    .command('undo [service]')
    .description('go back to the upstream that was stable before the last promoted rollout')
    .option('--group <name>', 'all services of a group, in one step')
    .addHelpText('before', examples('undo shop', 'undo --group release', 'undo shop && tealgate status shop'))
    .action((service: string | undefined, options: InGroup, command: Command) =>
      start(session, command, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group') return (await import('./verbs/group.ts')).groupUndo(ctx, name);
        return (await import('./verbs/undo.ts')).undo(ctx, name);
      }),
    );
}

function notificationCommands(program: Command, session: Session): void {
  const notifications = program
    .command('notifications')
    .description('notifications that could not be delivered')
    .addHelpText('before', examples('notifications dead-letters', 'notifications redeliver --all'));
  notifications
    .command('dead-letters')
    .description('notifications that are not tried any more, newest first, and why')
    .addHelpText(
      'before',
      examples(
        'notifications dead-letters',
        "notifications dead-letters --json | jq '.deadLetters[].error'",
        'notifications redeliver --all',
      ),
    )
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/notifications.ts')).deadLetters(ctx)),
    );
  notifications
    .command('redeliver [id...]')
    .description('send dead letters again, under the same webhook-id')
    .option('--all', 'all that there are')
    .addHelpText(
      'before',
      examples(
        'notifications redeliver --all',
        'notifications redeliver msg_5f2c9d1e-0b8a-4f6e-9d0e-3f1f2a7b6c5d',
        'notifications dead-letters',
      ),
    )
    .action((ids: string[], options: RedeliverOptions, command: Command) =>
      start(session, command, null, async (ctx) =>
        (await import('./verbs/notifications.ts')).redeliver(ctx, ids, options),
      ),
    );
}

function loadtestCommand(program: Command, session: Session): void {
  program
    .command('loadtest [url]')
    .description('put load on a gate, operate it meanwhile, and fail when requests do; with --spawn, [url] is a path')
    .option('--spawn <file>', 'YAML: start this gate and these upstreams for the test')
    .option('--service <name>', 'the service to operate and account for (default: the only one)')
    .addOption(new Option('--scenario <name>', 'what to do under load').choices(SCENARIOS).default('steady'))
    .option('--to <upstream>', 'switch, canary, rollback: the candidate; restart-target: the process of --spawn')
    .option('--every <duration>', 'between operations, or the hold of each stage (default: 2s, of switch 500ms)')
    .option('--stage <weight:hold>', 'canary, rollback: a stage, such as 10:5s; may be repeated', collect)
    .option('--rate <n>', 'requests per second (default: 100, without --connections)')
    .option('--connections <n>', 'client connections; without --rate each sends as fast as it is answered')
    .option('--duration <duration>', 'of the load; a rollout that takes longer extends it', '10s')
    .option('--warmup <duration>', 'before that, and not measured', '1s')
    .option('--method <method>', 'of each request', 'GET')
    .option('-H, --header <line>', "'Name: value' for each request; may be repeated", collect)
    .option('--body <text>', 'of each request')
    .option('--expect <expectation>', 'what must hold, such as "p99<50ms"; may be repeated', collect)
    .option('--timeout <duration>', 'give up with exit code 3 (default: the load and 10m)')
    .option('--junit <file>', 'write the report as JUnit XML')
    .option('--markdown <file>', 'write the report as Markdown')
    .option('--logs <dir>', 'keep the output of spawned processes here')
    .addHelpText(
      'before',
      examples(
        'loadtest http://127.0.0.1:8080/ --rate 200 --duration 30s --expect "errors==0" --expect "p99<50ms"',
        'loadtest http://127.0.0.1:8080/ --service shop --scenario switch --to green',
        'loadtest --spawn loadtest.yaml --scenario canary --to green --junit loadtest.xml',
      ),
    )
    .action((url: string | undefined, _options: unknown, command: Command) =>
      start(session, command, null, async (ctx) =>
        (await import('./verbs/loadtest.ts')).loadtest(ctx, url, command.optsWithGlobals<LoadtestOptions>()),
      ),
    );
}

function helperCommands(program: Command, session: Session): void {
  program
    .command('version')
    .description('print the version of this program, of Node.js and of the platform')
    .addHelpText('before', examples('version', 'version --json', '--version'))
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/version.ts')).version(ctx)),
    );
  program
    .command('completion <shell>')
    .description('print a completion script for bash, zsh or fish')
    .addHelpText(
      'before',
      examples(
        'completion bash > /etc/bash_completion.d/tealgate',
        'completion zsh > ~/.zfunc/_tealgate',
        'completion fish > ~/.config/fish/completions/tealgate.fish',
      ),
    )
    .action((shell: string, _options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('./verbs/completion.ts')).completion(ctx, shell)),
    );
}

function start(session: Session, command: Command, service: string | undefined | null, verb: Verb): Promise<void> {
  const parent = command.parent?.parent ? `${command.parent.name()} ` : '';
  return session.run({ verb: parent + command.name(), service: service ?? null }, command.optsWithGlobals(), verb);
}

function goalOption(): Option {
  return new Option('--for <phase>', 'what to wait for').choices(GOALS).makeOptionMandatory();
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function examples(...lines: readonly string[]): string {
  return `Examples:\n${lines.map((line) => `  tealgate ${line}\n`).join('')}`;
}
