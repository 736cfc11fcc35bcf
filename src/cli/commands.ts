import type { Command } from 'commander';
import { helperCommands } from './commands/helpers.ts';
import { journalCommands } from './commands/journal.ts';
import { loadtestCommand } from './commands/loadtest.ts';
import { notificationCommands } from './commands/notifications.ts';
import { readingCommands } from './commands/reading.ts';
import { rolloutCommands } from './commands/rollout.ts';
import { serverCommands } from './commands/server.ts';
import { trafficCommands } from './commands/traffic.ts';
import type { Session } from './session.ts';

/** Every command, with its verb loaded when it is used: `--version` and `--help` load none. */
export function registerCommands(program: Command, session: Session): void {
  serverCommands(program, session);
  readingCommands(program, session);
  trafficCommands(program, session);
  rolloutCommands(program, session);
  journalCommands(program, session);
  notificationCommands(program, session);
  loadtestCommand(program, session);
  helperCommands(program, session);
}
