import type { Command } from 'commander';
import type { Session } from '../session.ts';
import type { RunOptions } from '../verbs/run.ts';
import { examples, start } from './registration.ts';

/** Starting a gate, and its configuration. */
export function serverCommands(program: Command, session: Session): void {
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
      start(session, command, null, async (ctx) => (await import('../verbs/run.ts')).run(ctx, options)),
    );
  program
    .command('check <file>')
    .description('check a configuration without starting; all mistakes at once')
    .addHelpText(
      'before',
      examples('check tealgate.yaml', 'check tealgate.yaml --json', 'check tealgate.yaml --quiet && echo good'),
    )
    .action((file: string, _options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('../verbs/check.ts')).check(ctx, file)),
    );
  program
    .command('reload')
    .description('make the gate read its configuration again')
    .addHelpText('before', examples('reload', 'reload --json', 'reload --admin unix:/run/tealgate/admin.sock'))
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('../verbs/reload.ts')).reload(ctx)),
    );
}
