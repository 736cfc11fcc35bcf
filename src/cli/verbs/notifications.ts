import type { DeadLetter } from '../../app/control-plane.ts';
import { printable } from '../../config/problem.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';

interface DeadLetters {
  readonly deadLetters: readonly DeadLetter[];
}

const PATH = '/v1/notifications/dead-letters';

/** Notifications that could not be delivered, one line each. */
export async function deadLetters(ctx: Context): Promise<ExitCode> {
  const answer = await (await ctx.client()).send<DeadLetters>('GET', PATH);
  if (ctx.out.json) ctx.out.document(answer);
  else ctx.out.lines(answer.deadLetters.map(deadLetterLine));
  return EXIT.ok;
}

export interface RedeliverOptions {
  readonly all?: boolean;
}

/** Sends dead letters again. */
export async function redeliver(ctx: Context, ids: readonly string[], options: RedeliverOptions): Promise<ExitCode> {
  if (ids.length > 0 === (options.all === true)) {
    throw new CliError(EXIT.usage, 'name dead letters by their id, or give --all', {
      hint: 'tealgate notifications dead-letters shows them',
    });
  }
  const client = await ctx.client();
  const all = options.all === true ? (await client.send<DeadLetters>('GET', PATH)).deadLetters : [];
  const wanted = options.all === true ? all.map(({ id }) => id) : ids;
  for (const id of wanted) await client.send('POST', `${PATH}/${encodeURIComponent(id)}/redeliver`, {});
  ctx.out.result(
    { redelivered: wanted },
    wanted.length === 0 ? 'there are none' : `queued again: ${wanted.join(', ')}`,
  );
  return EXIT.ok;
}

function deadLetterLine({ id, webhook, event, attempts, error, deadAt }: DeadLetter): string {
  const when = new Date(deadAt).toISOString();
  return `${when} ${id} ${webhook} ${event.service ?? '-'} ${event.type} attempts=${attempts} ${printable(error)}`;
}
