import { validateDesired } from '../../app/desired/validate.ts';
import type { Rollout } from '../../rollout/rollout.ts';
import type { JournalEntry } from '../../store/store.ts';
import { openStoreCopy } from '../../store/store-copy.ts';
import { servicePath } from '../client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../exit.ts';

/** Where rollouts and their journals are read: a running gate, or the file that one left. */
export interface JournalSource {
  /** Of all services, newest first. */
  rollouts(): Promise<readonly Rollout[]>;
  /** A rollout as it is stored, with its journal, oldest first. */
  journal(rollout: Rollout): Promise<{ readonly rollout: Rollout; readonly entries: readonly JournalEntry[] }>;
  close(): void;
}

/** @param store the file; undefined for the gate at `--admin` */
export async function openSource(ctx: Context, store: string | undefined): Promise<JournalSource> {
  return store === undefined ? gateSource(ctx) : storeSource(store);
}

/** Those that a name selects: the id of one, or a service with all of its; all without a name. Throws when there is none. */
export async function selectRollouts(source: JournalSource, name: string | undefined): Promise<readonly Rollout[]> {
  const all = await source.rollouts();
  const selected = all.filter(({ id, service }) => name === undefined || name === id || name === service);
  if (selected.length > 0) return selected;
  const what = name === undefined ? 'there has been no rollout' : `there is no rollout or service "${name}" with one`;
  throw new CliError(EXIT.usage, what, { hint: 'tealgate status shows the services and their rollouts' });
}

function storeSource(path: string): JournalSource {
  const store = openStoreCopy(path, { validate: validateDesired });
  return {
    async rollouts() {
      const services = Object.values(store.load().state?.services ?? {});
      return newestFirst(services.flatMap(({ rollouts }) => rollouts));
    },
    async journal(rollout) {
      const entries: JournalEntry[] = [];
      for (;;) {
        const page = store.journal(rollout.id, entries.at(-1)?.id ?? 0);
        if (page.length === 0) return { rollout, entries };
        entries.push(...page);
      }
    },
    close: () => store.close(),
  };
}

async function gateSource(ctx: Context): Promise<JournalSource> {
  const client = await ctx.client();
  return {
    async rollouts() {
      const { services } = await client.overview();
      return newestFirst(Object.values(services).flatMap(({ rollouts }) => rollouts));
    },
    async journal({ id, service }) {
      const entries: JournalEntry[] = [];
      for (;;) {
        const path = servicePath(
          service,
          `/rollouts/${encodeURIComponent(id)}/journal?after=${entries.at(-1)?.id ?? 0}`,
        );
        const page = await client.send<{ rollout: Rollout; entries: JournalEntry[] }>('GET', path);
        if (page.entries.length === 0) return { rollout: page.rollout, entries };
        entries.push(...page.entries);
      }
    },
    close: () => undefined,
  };
}

function newestFirst(rollouts: readonly Rollout[]): readonly Rollout[] {
  return rollouts.toSorted((a, b) => b.startedAt - a.startedAt);
}
