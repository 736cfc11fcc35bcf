import { describe, expect, it } from 'vitest';
import { DEFAULT_PLAN } from '../../src/config/plan-schema.ts';
import { canonicalJson } from '../../src/platform/canonical-json.ts';
import { createRollout } from '../../src/rollout/create.ts';
import { Journal } from '../../src/rollout/journal.ts';
import type { RolloutEvent } from '../../src/rollout/reducer.ts';
import { replay } from '../../src/rollout/replay.ts';
import type { Counts, Rollout } from '../../src/rollout/rollout.ts';
import { RULES } from '../../src/rollout/rules.ts';
import { told } from '../../src/rollout/told.ts';
import type { JournalEntry, NewJournalEntry } from '../../src/store/store.ts';

const AT = 1_700_000_000_000;

/** What a store would hold of a rollout that was told these events, through JSON as a store has it. */
function recorded(events: readonly RolloutEvent[], restartsAfter: readonly number[] = []): Recorded {
  const entries: NewJournalEntry[] = [];
  let journal = new Journal();
  const write = (before: Rollout | null, after: Rollout, input: Parameters<Journal['entries']>[0][number]['input']) => {
    const written = journal.entries([{ before, after, input }], AT);
    journal.written(written);
    entries.push(...written);
  };
  let rollout = createRollout({
    service: 'shop',
    from: 'blue',
    to: 'green',
    plan: DEFAULT_PLAN,
    actor: 'ci',
    at: AT,
    taken: [],
  });
  write(null, rollout, null);
  events.forEach((event, i) => {
    const { rollout: next, input = null } = told(rollout, event, AT + 1000 * i);
    write(rollout, next, input);
    rollout = next;
    if (restartsAfter.includes(i)) journal = new Journal();
  });
  const stored = entries.map((entry, i): JournalEntry => ({ ...entry, id: i + 1 }));
  return JSON.parse(JSON.stringify({ entries: stored, rollout }));
}

interface Recorded {
  readonly entries: readonly JournalEntry[];
  readonly rollout: Rollout;
}

const tick = (trials: number, errors: number): RolloutEvent => {
  const candidate: Counts = { trials, errors, slow: 0 };
  return { type: 'tick', elapsedMs: 1000.125, candidate, stable: { trials: 10 * trials, errors: 0, slow: 0 } };
};

const EVENTS: readonly RolloutEvent[] = [
  { type: 'start' },
  { type: 'smoke_passed', results: [] },
  tick(40, 0),
  tick(37, 1),
  { type: 'pause', actor: 'ann' },
  tick(11, 0),
  { type: 'resume', actor: 'ann' },
  tick(29, 9),
];

/** The journal with the data of one entry replaced. */
function tampered({ entries }: Recorded, index: number, change: (data: string) => string): readonly JournalEntry[] {
  return entries.map((entry, i) =>
    i === index ? { ...entry, data: JSON.parse(change(JSON.stringify(entry.data))) } : entry,
  );
}

describe('a journal', () => {
  it('leads to the rollout that is stored, verdict by verdict', () => {
    const { entries, rollout } = recorded(EVENTS);
    expect(rollout.position.phase).toBe('rolled_back');
    expect(replay(entries, rollout)).toEqual({
      rollout: rollout.id,
      result: 'same',
      entries: 9,
      recomputed: 8,
      verdicts: 4,
      passedOver: 0,
      whole: true,
      difference: null,
    });
  });

  it('goes on after a restart with the state as it was', () => {
    const { entries, rollout } = recorded(EVENTS, [2, 4]);
    expect(entries.filter(({ isState }) => isState)).toHaveLength(3);
    expect(replay(entries, rollout)).toMatchObject({ result: 'same', recomputed: 8 });
  });

  it('holds a retry from its beginning, apart from the one before', () => {
    const ended = recorded(EVENTS).rollout;
    const { rollout: again, input = null } = told(ended, { type: 'retry', actor: 'ann' }, AT + 9);
    const entries = new Journal().entries([{ before: ended, after: again, input }], AT);
    expect(entries).toMatchObject([{ rollout: again.id, isState: true, data: { rollout: { id: again.id } } }]);
  });

  it('repeats the whole state from time to time, so that its beginning may be forgotten', () => {
    const many = [...EVENTS.slice(0, 2), ...Array.from({ length: 1500 }, () => tick(1, 0))];
    const { entries, rollout } = recorded(many);
    const states = entries.flatMap(({ isState }, i) => (isState ? [i] : []));
    expect(states).toEqual([0, 1001]);
    const kept = replay(entries.slice(700), rollout);
    expect(kept).toMatchObject({ result: 'same', whole: false, recomputed: 502 });
  });

  it('writes nothing down when nothing happened', () => {
    const { rollout } = recorded([]);
    expect(new Journal().entries([{ before: rollout, after: rollout, input: null }], AT)).toEqual([]);
  });
});

describe('a replay', () => {
  it('finds a count that was changed, and says where and in what', () => {
    const journal = recorded(EVENTS);
    const { difference, result } = replay(
      tampered(journal, 8, (data) => data.replace('"errors":9', '"errors":8')),
      journal.rollout,
    );
    expect(result).toBe('differs');
    expect(difference).toMatchObject({ entry: 9, what: 'tick leads to another state than was recorded' });
    expect(difference?.fields).toContainEqual({ path: 'counts.candidate.errors', stored: 10, computed: 9 });
  });

  it.each(EVENTS.map((_, i) => i + 1))('finds that entry %d is missing', (index) => {
    const { entries, rollout } = recorded(EVENTS);
    const result = replay(
      entries.filter((_, i) => i !== index),
      rollout,
    );
    expect(result.result).toBe('differs');
  });

  it('finds two entries that changed places', () => {
    const { entries, rollout } = recorded(EVENTS);
    const swapped = [...entries];
    const [a, b] = [swapped[3], swapped[4]];
    if (a === undefined || b === undefined) throw new Error('too few entries');
    swapped[3] = b;
    swapped[4] = a;
    expect(replay(swapped, rollout)).toMatchObject({ result: 'differs', difference: { entry: 5 } });
  });

  it('finds a state that was changed', () => {
    const journal = recorded(EVENTS, [3]);
    const index = journal.entries.findIndex(({ isState }, i) => isState && i > 0);
    const changed = tampered(journal, index, (data) => data.replace('"trials":77', '"trials":78'));
    expect(replay(changed, journal.rollout)).toMatchObject({
      result: 'differs',
      difference: { entry: index + 1, what: 'a recorded state is not what was recorded' },
    });
  });

  it('finds a stored rollout that its journal does not lead to', () => {
    const { entries, rollout } = recorded(EVENTS);
    const doctored: Rollout = JSON.parse(JSON.stringify(rollout).replace('"max":0.01', '"max":0.02'));
    const { difference } = replay(entries, doctored);
    expect(difference).toMatchObject({ entry: null, what: 'the stored rollout is not what its journal leads to' });
    expect(difference?.fields).toEqual([{ path: 'plan.guards[0].max', stored: 0.02, computed: 0.01 }]);
  });

  it('finds an entry that cannot be read', () => {
    const journal = recorded(EVENTS);
    expect(
      replay(
        tampered(journal, 3, () => '"x"'),
        journal.rollout,
      ),
    ).toMatchObject({
      result: 'differs',
      difference: { entry: 4, what: 'the entry cannot be read' },
    });
  });

  it('takes what was stored a moment before the journal ended for the same', () => {
    const { entries } = recorded(EVENTS);
    expect(replay(entries, recorded(EVENTS.slice(0, 6)).rollout).result).toBe('same');
  });

  it('does not compare what was recorded under other rules', () => {
    const { entries, rollout } = recorded(EVENTS);
    const older = entries.map((entry): JournalEntry => {
      const data = JSON.parse(JSON.stringify(entry.data).replace(`"rules":${RULES}`, '"rules":0'));
      return { ...entry, data };
    });
    expect(replay(older, rollout)).toMatchObject({ result: 'incomparable', passedOver: 8, recomputed: 0 });
    expect(replay([], rollout).result).toBe('incomparable');
  });
});

describe('canonical JSON', () => {
  it('is the same however an object was made, with all digits', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 0.1 + 0.2 }], a: undefined, 10: null })).toBe(
      canonicalJson({ 10: null, b: [{ c: 0.30000000000000004, d: 1 }] }),
    );
    expect(canonicalJson({ a: 0.3 })).not.toBe(canonicalJson({ a: 0.1 + 0.2 }));
  });
});
