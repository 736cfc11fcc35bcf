import type { Config } from '../config/config.ts';
import { Journal, type RolloutChange } from '../rollout/journal.ts';
import { openSqliteStore } from '../store/sqlite-store.ts';
import type { NewEvent, Store } from '../store/store.ts';
import { abandonRollouts } from './abandon-rollouts.ts';
import { initialDesired } from './desired/initial.ts';
import { reconcile } from './desired/reconcile.ts';
import { validateDesired } from './desired/validate.ts';
import type { DesiredState } from './desired.ts';

export interface OpenState {
  readonly store: Store<DesiredState>;
  readonly desired: DesiredState;
  readonly revision: number;
  /** What was committed to bring the state in line with the file. */
  readonly events: readonly NewEvent[];
}

/**
 * Opens the store and brings what it holds in line with a file that may have changed while the process was down. Throws
 * what `openSqliteStore` throws.
 */
export function openState(config: Config, at: number): OpenState {
  const store = openSqliteStore<DesiredState>(config.store.path, { validate: validateDesired });
  try {
    const { revision, state } = store.load();
    const { desired, events, journal } = settle(state ?? initialDesired(), config, at);
    if (state === desired) return { store, desired, revision, events };
    const result = store.commit(revision, desired, events, new Journal().entries(journal, at));
    return { store, desired, revision: result.revision, events };
  } catch (error) {
    store.close();
    throw error;
  }
}

interface Settled extends Pick<OpenState, 'desired' | 'events'> {
  readonly journal: readonly RolloutChange[];
}

function settle(stored: DesiredState, config: Config, at: number): Settled {
  const abandoned = abandonRollouts(stored, config, at);
  const { desired, dropped } = reconcile(abandoned.desired, config);
  const events = dropped.map(({ service, ...data }): NewEvent => {
    return { type: 'override.dropped', service, actor: 'config', at, data };
  });
  return { desired, events: [...abandoned.events, ...events], journal: abandoned.journal };
}
