import type { Command } from 'commander';
import type { Session } from '../session.ts';
import type { ExplainOptions } from '../verbs/explain.ts';
import type { ReplayOptions } from '../verbs/replay.ts';
import { examples, start } from './registration.ts';

/** What the journal of rollouts is good for. */
export function journalCommands(program: Command, session: Session): void {
  explainCommand(program, session);
  replayCommand(program, session);
}

function explainCommand(program: Command, session: Session): void {
  program
    .command('explain [rollout]')
    .description('tell why a rollout went as it did; of a service or without a name, the newest')
    .option('--store <file>', 'read the store of a gate that is not running, without touching it')
    .addHelpText('before', examples('explain shop', 'explain rmb3k2x1 --json', 'explain --store tealgate.db'))
    .action((name: string | undefined, options: ExplainOptions, command: Command) =>
      start(session, command, null, async (ctx) =>
        (await import('../verbs/explain.ts')).explainRollout(ctx, name, options),
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
        (await import('../verbs/replay.ts')).replayRollouts(ctx, name, options),
      ),
    );
}
