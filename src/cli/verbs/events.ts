import type { StoredEvent } from '../../store/store.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT, type ExitCode } from '../exit.ts';
import { eventLine } from '../render/event.ts';

export interface EventsOptions {
  readonly follow?: boolean;
  /** Id of the event to begin after. */
  readonly since: string;
}

/** The audit trail so far; `--follow` goes on until interrupted. */
export async function events(ctx: Context, options: EventsOptions): Promise<ExitCode> {
  if (!/^\d{1,15}$/.test(options.since))
    throw new CliError(EXIT.usage, `--since ${options.since}: not the id of an event`);
  const client = await ctx.client();
  let last = options.since;
  for await (const part of client.events(`/v1/events?since=${options.since}`)) {
    if (part.kind === 'comment') {
      if (part.text === 'caught up' && options.follow !== true) return EXIT.ok;
      continue;
    }
    // The event stream carries nothing but stored events.
    const event = JSON.parse(part.data) as StoredEvent;
    if (ctx.out.json) ctx.out.record(event);
    else ctx.out.lines([eventLine(event)]);
    last = part.id;
  }
  throw new CliError(EXIT.unreachable, 'the gate closed the stream of events', {
    hint: `tealgate events --follow --since ${last} goes on from here`,
  });
}
