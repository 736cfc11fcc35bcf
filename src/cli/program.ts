import { Command } from 'commander';
import { VERSION } from '../platform/version.ts';
import { registerCommands } from './commands.ts';
import type { GlobalOptions } from './context.ts';
import type { Io } from './io.ts';
import { Session } from './session.ts';

/** Runs one invocation, `argv` without the program's own name, and returns the exit code. Never throws. */
export async function execute(argv: readonly string[], io: Io): Promise<number> {
  const session = new Session(io, argv.includes('--json'));
  try {
    const program = createProgram(session);
    if (argv[0] === '__complete') await completeWords(program, session, argv.slice(1));
    else await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    await session.fail(error);
  } finally {
    await session.close();
  }
  return session.exit;
}

/** The command tree: what the parser, the help, the completion and the generated reference read. */
export function createProgram(session: Session): Command {
  const { io } = session;
  const program = new Command('tealgate')
    .description(
      'A reverse proxy for zero-downtime releases: weighted splits, canary stages, drains, rollback on evidence.',
    )
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .option('--admin <url>', 'admin endpoint, also unix:/path (TEALGATE_ADMIN; default http://127.0.0.1:9901)')
    .option('--token <token>', 'token of the admin endpoint (TEALGATE_TOKEN)')
    .option('--token-file <file>', 'file that holds the token')
    .option('--json', 'print JSON')
    .option('-q, --quiet', 'print data and errors only')
    .configureHelp({ showGlobalOptions: true, helpWidth: 100 })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      // Shown by the session, in the form of every other failure.
      outputError: () => undefined,
    })
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'before',
      `Examples:
  tealgate run --config tealgate.yaml          start a gate
  tealgate status --watch                      follow weights, health and rollouts
  tealgate rollout start shop --to green --wait   release green, stage by stage
`,
    )
    .addHelpText(
      'after',
      '\nExit codes: 0 ok, 1 failed or rolled back, 2 usage or invalid configuration, 3 timeout, 4 refused by a gate, 5 unreachable',
    );
  registerCommands(program, session);
  return program;
}

async function completeWords(program: Command, session: Session, words: readonly string[]): Promise<void> {
  const { complete } = await import('./verbs/complete.ts');
  await session.run({ verb: 'completion', service: null, group: null }, completionOptions(words), (ctx) =>
    complete(ctx, program, words),
  );
}

/** The admin endpoint that the line being completed names, and the token for it, so that its services are offered. */
function completionOptions(words: readonly string[]): GlobalOptions {
  const [admin, token, tokenFile] = ['--admin', '--token', '--token-file'].map((flag) => optionValue(words, flag));
  return {
    quiet: true,
    ...(admin === undefined ? {} : { admin }),
    ...(token === undefined ? {} : { token }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  };
}

/** Of `--flag value` or `--flag=value`. */
function optionValue(words: readonly string[], flag: string): string | undefined {
  const at = words.indexOf(flag);
  if (at !== -1) return words[at + 1];
  return words.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1);
}
