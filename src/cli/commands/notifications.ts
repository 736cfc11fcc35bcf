import type { Command } from 'commander';
import type { Session } from '../session.ts';
import type { RedeliverOptions } from '../verbs/notifications.ts';
import { examples, start } from './registration.ts';

/** What could not be delivered. */
export function notificationCommands(program: Command, session: Session): void {
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
      start(session, command, null, async (ctx) => (await import('../verbs/notifications.ts')).deadLetters(ctx)),
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
        (await import('../verbs/notifications.ts')).redeliver(ctx, ids, options),
      ),
    );
}
