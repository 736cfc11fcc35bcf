import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';

/** Each asks `tealgate __complete` for the candidates of the last word; with none, the shell offers files. */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_tealgate() {
  local IFS=$'\\n' line=\${COMP_LINE:0:COMP_POINT} words last
  # COMP_WORDS is cut at each : and =, which addresses and weights are made of.
  IFS=$' \\t' read -ra words <<< "$line"
  if [[ $line == *[[:space:]] ]]; then words+=(""); fi
  last=\${words[\${#words[@]}-1]}
  COMPREPLY=($(tealgate __complete "\${words[@]:1}" 2>/dev/null))
  # What stands before the last of them is not replaced.
  COMPREPLY=("\${COMPREPLY[@]#"\${last%"\${last##*[:=]}"}"}")
  # A weight follows at once.
  if [[ \${COMPREPLY[0]-} == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _tealgate tealgate
`,
  zsh: `#compdef tealgate
_tealgate() {
  local -a candidates
  candidates=(\${(f)"$(tealgate __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#candidates} )); then compadd -a candidates; else _files; fi
}
compdef _tealgate tealgate
`,
  fish: `complete -c tealgate -a '(tealgate __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
};

export async function completion(ctx: Context, shell: string): Promise<ExitCode> {
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined)
    throw new CliError(EXIT.usage, `${shell}: no completion; there is one for bash, zsh and fish`);
  ctx.io.stdout.write(script);
  return EXIT.ok;
}
