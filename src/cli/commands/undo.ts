import type { Command } from 'commander';
import type { Session } from '../session.ts';
import { whose } from '../whose.ts';
import { examples, type InGroup, start } from './registration.ts';

/** `undo`, and the same as `rollout undo`. */
export function undoCommand(parent: Command, session: Session): void {
  parent
    .command('undo [service]')
    .description('go back to the upstream that was stable before the last promoted rollout')
    .option('--group <name>', 'all services of a group, in one step')
    .addHelpText('before', examples('undo shop', 'undo --group release', 'undo shop && tealgate status shop'))
    .action((service: string | undefined, options: InGroup, command: Command) =>
      start(session, command, service, async (ctx) => {
        const { kind, name } = whose(service, options);
        if (kind === 'group') return (await import('../verbs/group.ts')).groupUndo(ctx, name);
        return (await import('../verbs/undo.ts')).undo(ctx, name);
      }),
    );
}
