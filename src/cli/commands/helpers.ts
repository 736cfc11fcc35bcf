import type { Command } from 'commander';
import type { Session } from '../session.ts';
import { examples, start } from './registration.ts';

/** What needs no gate. */
export function helperCommands(program: Command, session: Session): void {
  program
    .command('version')
    .description('print the version of this program, of Node.js and of the platform')
    .addHelpText('before', examples('version', 'version --json', '--version'))
    .action((_options: unknown, command: Command) =>
      start(session, command, null, async (ctx) => (await import('../verbs/version.ts')).version(ctx)),
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
      start(session, command, null, async (ctx) => (await import('../verbs/completion.ts')).completion(ctx, shell)),
    );
}
