import type { Command } from 'commander';
import type { Session } from '../session.ts';
import type { SwitchOptions } from '../verbs/switch.ts';
import type { UpstreamAction } from '../verbs/upstream.ts';
import type { WeightsOptions } from '../verbs/weights.ts';
import { examples, start } from './registration.ts';
import { undoCommand } from './undo.ts';

/** Moving traffic by hand. */
export function trafficCommands(program: Command, session: Session): void {
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
        (await import('../verbs/weights.ts')).weights(ctx, service, pairs, options),
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
        (await import('../verbs/switch.ts')).switchTo(ctx, service, to, options),
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
        (await import('../verbs/targets.ts')).targets(ctx, service, upstream, urls),
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
        (await import('../verbs/upstream.ts')).operateUpstream(ctx, action, { service, upstream }, options),
      ),
    );
}
