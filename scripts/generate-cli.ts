import type { Command } from 'commander';
import { createProgram } from '../src/cli/program.ts';
import { Session } from '../src/cli/session.ts';

const HEAD = `# The command line

This page is generated from the commands themselves: \`npm run generate\`.

\`tealgate run\` and \`tealgate check\` work on a configuration file; every other command speaks to the admin endpoint of a
running gate, named by \`--admin\` or \`TEALGATE_ADMIN\` (default \`http://127.0.0.1:9901\`; also \`unix:/path\`), with a token
from \`--token-file\`, \`--token\` or \`TEALGATE_TOKEN\` where the gate asks for one.

Data goes to stdout, everything else to stderr. On a terminal there are colours (not with \`NO_COLOR\`), tables and lines
that are redrawn; in a pipe there is one plain line per fact or change; with \`--json\` the answer of the admin API, one
object per line where there is a stream of them; with \`--quiet\` data and errors only. Errors name the next thing to type,
and with \`--json\` are \`{"error": {"code", "message", "hint", "exit"}}\` on stderr.

## Exit codes

| code | means |
| --- | --- |
| 0 | ok; for \`wait\` and \`--wait\`: what was waited for has happened |
| 1 | it failed: refused in this state (\`conflict\`, \`precondition_failed\`), or the rollout was rolled back, aborted or failed; for \`loadtest\`: an expectation does not hold |
| 2 | wrong usage, an unknown name, a missing permission, or an invalid configuration |
| 3 | it took longer than \`--timeout\` |
| 4 | refused by a gate |
| 5 | the admin endpoint (for \`loadtest\`: or the URL) cannot be reached, or the gate is shutting down |
| 128 + n | \`run\` was told to stop twice, the second time by signal n |

## Completion

\`\`\`sh
source <(tealgate completion bash)         # ~/.bashrc
tealgate completion zsh > ~/.zfunc/_tealgate   # a directory of $fpath
tealgate completion fish > ~/.config/fish/completions/tealgate.fish
\`\`\`

Service and upstream names are completed as well, from the admin endpoint.
`;

/** `docs/cli.md`: what every command prints with \`--help\`. */
export function renderCliReference(): string {
  let help = '';
  const sink = { write: (text: string) => (help += text) };
  const never = new AbortController().signal;
  const io = { stdout: sink, stderr: sink, env: {}, signal: never, serving: () => undefined };
  const program = createProgram(new Session(io, false));
  const sections = leaves(program).map((command) => {
    help = '';
    command.configureHelp({ showGlobalOptions: false }).outputHelp();
    return `## tealgate ${pathOf(command)}\n\n\`\`\`text\n${help.trim()}\n\`\`\`\n`;
  });
  return [HEAD, ...sections].join('\n');
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}
