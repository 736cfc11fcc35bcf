import { type Command, Option } from 'commander';
import type { RolloutAction } from '../../app/control-plane.ts';
import type { Session } from '../session.ts';
import type { RolloutPreviewOptions } from '../verbs/rollout-plan.ts';
import type { RolloutStartOptions } from '../verbs/rollout-start.ts';
import { whose } from '../whose.ts';
import { collect, examples, type InGroup, start } from './registration.ts';
import { undoCommand } from './undo.ts';

const ROLLOUT_ACTIONS: Readonly<Record<RolloutAction, string>> = {
  promote: 'make the candidate stable now, whatever stages are left',
  abort: 'give all traffic back to stable and end the rollout',
  pause: 'stay at the current weights',
  resume: 'go on from where it was paused',
  retry: 'run an ended rollout again, with the same plan',
};

/** Rollouts of services and groups. */
export function rolloutCommands(program: Command, session: Session): void {
  const rollout = program
    .command('rollout')
    .description('release an upstream stage by stage')
    .addHelpText(
      'before',
      examples('rollout start shop --to green --wait', 'rollout status shop', 'rollout abort shop'),
    );
  startCommand(rollout, session);
  planCommand(rollout, session);
  statusCommand(rollout, session);
  for (const action of Object.keys(ROLLOUT_ACTIONS) as RolloutAction[]) rolloutAction(rollout, session, action);
  undoCommand(rollout, session);
}

function startCommand(rollout: Command, session: Session): void {
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
        if (kind === 'group') return (await import('../verbs/group.ts')).groupStart(ctx, name, options);
        return (await import('../verbs/rollout-start.ts')).rolloutStart(ctx, name, options);
      }),
    );
}

function planCommand(rollout: Command, session: Session): void {
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
        (await import('../verbs/rollout-plan.ts')).rolloutPlan(ctx, service, options),
      ),
    );
}

function statusCommand(rollout: Command, session: Session): void {
  rollout
    .command('status [service]')
    .description('stages, verdicts, evidence and what happened so far')
    .option('--group <name>', 'several services that are released as one, in place of a service')
    .addHelpText('before', examples('rollout status shop', 'rollout status --group release', 'status shop --watch'))
    .action((service: string | undefined, options: InGroup, command: Command) =>
      start(session, command, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group') return (await import('../verbs/group.ts')).groupStatus(ctx, name);
        return (await import('../verbs/rollout-status.ts')).rolloutStatus(ctx, name);
      }),
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
          return (await import('../verbs/group.ts')).groupOperate(ctx, action, name);
        }
        return (await import('../verbs/rollout-operate.ts')).rolloutOperate(ctx, action, name);
      }),
    );
}
