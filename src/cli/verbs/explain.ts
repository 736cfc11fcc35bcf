import { printable } from '../../config/problem.ts';
import { type Explanation, explain } from '../../rollout/explain.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { openSource, selectRollouts } from '../journal/source.ts';
import type { Paint } from '../style.ts';

export interface ExplainOptions {
  readonly store?: string;
}

/** Why a rollout went as it did: that of the given id, or the newest of the service, or of all. */
export async function explainRollout(
  ctx: Context,
  name: string | undefined,
  options: ExplainOptions,
): Promise<ExitCode> {
  const source = await openSource(ctx, options.store);
  try {
    const [rollout] = await selectRollouts(source, name);
    if (rollout === undefined) return EXIT.failed;
    const explanation = explain(rollout);
    if (ctx.out.json) ctx.out.document(explanation);
    else ctx.out.lines(explanationLines(explanation, ctx.out.paint));
    return EXIT.ok;
  } finally {
    source.close();
  }
}

function explanationLines({ rollout, headline, story, guards }: Explanation, paint: Paint): string[] {
  return [
    `${paint('bold', rollout)}  ${printable(headline)}`,
    ...story.flatMap(({ at, text, evidence }) => [
      `  ${paint('dim', new Date(at).toISOString())}  ${printable(text)}`,
      ...evidence.map((line) => `      ${printable(line)}`),
    ]),
    ...guards.flatMap(({ guard, verdict, dryRun, summary, needed }) => [
      `  ${guard}${dryRun ? ' (dry run)' : ''}: ${verdict}, ${printable(summary)}`,
      ...needed.map((line) => paint('dim', `      ${printable(line)}`)),
    ]),
  ];
}
