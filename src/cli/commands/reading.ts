import { type Command, Option } from 'commander';
import { GOALS } from '../goals.ts';
import type { Session } from '../session.ts';
import type { EventsOptions } from '../verbs/events.ts';
import type { WaitOptions } from '../verbs/wait.ts';
import { whose } from '../whose.ts';
import { examples, type InGroup, start } from './registration.ts';

/** What a gate does and did. */
export function readingCommands(program: Command, session: Session): void {
  program
    .command('status [service]')
    .description('weights, health, requests and the rollout of each service')
    .option('-w, --watch', 'go on: redrawn on a terminal, one line per change in a pipe')
    .addHelpText('before', examples('status', 'status shop --watch', 'status shop --json | jq .upstreams.green.weight'))
    .action((service: string | undefined, options: { watch?: boolean }, command: Command) =>
      start(session, command, service, async (ctx) =>
        (await import('../verbs/status.ts')).status(ctx, service, options),
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
        if (kind === 'group') return (await import('../verbs/group.ts')).groupWait(ctx, name, options);
        return (await import('../verbs/wait.ts')).wait(ctx, name, options);
      }),
    );
  program
    .command('events')
    .description('what happened, by whom: the audit trail')
    .option('-f, --follow', 'go on with what happens next')
    .option('--since <id>', 'begin after this event', '0')
    .addHelpText('before', examples('events', 'events --follow', 'events --json --since 120'))
    .action((options: EventsOptions, command: Command) =>
      start(session, command, null, async (ctx) => (await import('../verbs/events.ts')).events(ctx, options)),
    );
  program
    .command('healthcheck')
    .description('exit 0 when the gate may take traffic (for a container HEALTHCHECK)')
    .addHelpText('before', examples('healthcheck', 'healthcheck --quiet', 'healthcheck --admin http://127.0.0.1:9901'))
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('../verbs/healthcheck.ts')).healthcheck(ctx)),
    );
}

function goalOption(): Option {
  return new Option('--for <phase>', 'what to wait for').choices(GOALS).makeOptionMandatory();
}
