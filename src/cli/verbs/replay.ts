import { printable } from '../../config/problem.ts';
import { type Replay, replay } from '../../rollout/replay.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import type { Context } from '../context.ts';
import { EXIT, type ExitCode } from '../exit.ts';
import { openSource, selectRollouts } from '../journal/source.ts';

export interface ReplayOptions {
  readonly store?: string;
}

/** Computes what rollouts did once more, from their journals, here and now: exit code 1 when anything comes out otherwise. */
export async function replayRollouts(
  ctx: Context,
  name: string | undefined,
  options: ReplayOptions,
): Promise<ExitCode> {
  const source = await openSource(ctx, options.store);
  try {
    const replays: Replay[] = [];
    for (const selected of await selectRollouts(source, name)) {
      const { rollout, entries } = await source.journal(selected);
      const result = replay(entries, rollout);
      replays.push(result);
      if (!ctx.out.json && !ctx.out.quiet) ctx.out.lines([describe(rollout, result)]);
      if (!ctx.out.json) ctx.out.failures(differenceLines(result));
    }
    if (ctx.out.json) ctx.out.document({ replays });
    return replays.every(({ result }) => result === 'same') ? EXIT.ok : EXIT.failed;
  } finally {
    source.close();
  }
}

function describe({ id, service, from, to }: Rollout, result: Replay): string {
  return `${id} ${service} ${from} → ${to}  ${result.result}: ${outcome(result)}${caveats(result)}`;
}

function outcome({ result, recomputed, verdicts, entries }: Replay): string {
  switch (result) {
    case 'same':
      return `${recomputed} inputs and ${verdicts} verdicts computed again, every digit as recorded`;
    case 'differs':
      return `${recomputed} inputs and ${verdicts} verdicts computed again, and not as recorded`;
    case 'incomparable':
      return entries === 0 ? 'no journal is kept of it' : 'recorded under the rules of another version';
  }
}

function caveats({ whole, passedOver, result }: Replay): string {
  if (result === 'incomparable') return '';
  const beginning = whole ? '' : '; its beginning is not in the journal';
  return passedOver === 0 ? beginning : `${beginning}; ${passedOver} inputs of another version passed over`;
}

function differenceLines({ difference }: Replay): string[] {
  if (difference === null) return [];
  const { entry, at, what, fields } = difference;
  const where = entry === null ? what : `entry ${entry} of ${new Date(at).toISOString()}: ${what}`;
  const text = (value: unknown): string => printable(JSON.stringify(value) ?? 'nothing').slice(0, 200);
  return [
    `  ${printable(where)}`,
    ...fields.map(({ path, stored, computed }) => `  ${path}: stored ${text(stored)}, computed ${text(computed)}`),
  ];
}
