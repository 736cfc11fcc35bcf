import { describe, expect, it, onTestFinished } from 'vitest';
import type { WebhookGuard } from '../../src/config/guards/guard.ts';
import { systemClock } from '../../src/platform/clock.ts';
import type { Answer } from '../../src/rollout/answer.ts';
import { createRollout } from '../../src/rollout/create.ts';
import type { Verdict } from '../../src/rollout/evidence.ts';
import type { WebhookObservation } from '../../src/rollout/guards/webhook.ts';
import { Poller } from '../../src/rollout/poller.ts';
import { type RolloutEvent, transition } from '../../src/rollout/reducer.ts';
import type { Rollout } from '../../src/rollout/rollout.ts';

const AT = 1_700_000_000_000;
const NONE = { trials: 0, errors: 0, slow: 0 };
const BOT: WebhookGuard = { name: 'bot', kind: 'webhook', webhook: 'bot', intervalMs: 1, failures: 1 };
const said = (verdict: Verdict): WebhookObservation => ({ at: AT, verdict, answered: true, reason: verdict });

const run = (rollout: Rollout, ...events: readonly RolloutEvent[]): Rollout =>
  events.reduce((state, event) => transition(state, event, AT).rollout, rollout);
const tick = (more: object): RolloutEvent => ({ type: 'tick', elapsedMs: 5, candidate: NONE, stable: NONE, ...more });

function begun(more: object = {}): Rollout {
  const stages = [
    { weight: 20, holdMs: 1 },
    { weight: 50, holdMs: 3_600_000, gate: { kind: 'http', webhook: 'bot', intervalMs: 1, onNo: 'pause' } as const },
  ];
  const plan = { strategy: 'canary', smoke: [], stages, guards: [], ...more } as const;
  const side = { service: 'shop', from: 'blue', to: 'green', actor: 'ci', at: AT, taken: [] };
  return run(createRollout({ ...side, plan }), { type: 'start' }, { type: 'smoke_passed', results: [] });
}

/** A poller on a rollout that the test keeps; each question waits for the test's answer. */
function open(rollout: Rollout) {
  const state = { rollout, observed: 0 };
  const asked: { answer: (value: Answer) => void; signal: AbortSignal; number: number }[] = [];
  const poller = new Poller({
    clock: systemClock,
    rollout: () => state.rollout,
    ask: ({ number }, signal) =>
      new Promise((answer, reject) => {
        asked.push({ answer, signal, number });
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      }),
    onObserved: () => state.observed++,
    onError: (_service, error) => {
      throw error;
    },
  });
  onTestFinished(() => poller.close());
  poller.follow(rollout);
  return { poller, state, asked };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 30));

describe('the poller', () => {
  it('asks one question at a time, and the next when the answer was stored', async () => {
    const { poller, state, asked } = open(begun({ guards: [BOT] }));
    await until(() => asked.length === 1);
    asked[0]?.answer(said('pass'));
    await until(() => state.observed === 1);
    await settle();
    expect(asked).toHaveLength(1);
    const answers = poller.answers(state.rollout);
    expect(answers).toEqual({ observations: { bot: said('pass') } });
    expect(poller.answers(state.rollout)).toEqual(answers);
    poller.stored('shop', answers);
    expect(poller.answers(state.rollout)).toEqual({});
    await until(() => asked.length === 2);
  });

  it('asks on while the answers say the same, and hands in the newest for all of them', async () => {
    const { poller, state, asked } = open(run(begun(), tick({})));
    const answer = async (nth: number, given: Answer): Promise<void> => {
      await until(() => asked.length === nth);
      asked[nth - 1]?.answer(given);
    };
    const store = (answers = poller.answers(state.rollout)): void => {
      state.rollout = run(state.rollout, tick(answers));
      poller.stored('shop', answers);
    };
    await answer(1, said('inconclusive'));
    await until(() => state.observed === 1);
    expect(poller.hasUrgent('shop')).toBe(true);
    store();
    for (const nth of [2, 3, 4]) await answer(nth, said('inconclusive'));
    await until(() => asked.length === 5);
    expect([state.observed, poller.hasUrgent('shop')]).toEqual([1, false]);
    const three = poller.answers(state.rollout);
    expect(three).toEqual({ gate: { ...said('inconclusive'), times: 3 } });
    // While these are being stored, the next one comes.
    await answer(5, { ...said('inconclusive'), reason: 'soon' });
    await until(() => asked.length === 6);
    store(three);
    expect(poller.answers(state.rollout)).toEqual({ gate: { ...said('inconclusive'), reason: 'soon', times: 1 } });
    await answer(6, said('pass'));
    await until(() => state.observed === 2);
    expect(poller.hasUrgent('shop')).toBe(true);
    expect(asked.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
    const { position } = run(state.rollout, tick({ gate: { ...said('inconclusive'), times: 2 } }));
    expect(position).toMatchObject({ phase: 'paused', gate: { asked: 6 } });
    store();
    expect(state.rollout.position).toMatchObject({ phase: 'progressing', stage: 1 });
  });

  it('does not ask once more when the answer was the last that is wanted, however late the next look is', async () => {
    const waiting = run(begun(), tick({}));
    expect(waiting.position).toMatchObject({ phase: 'paused', reason: 'gate' });
    const { poller, state, asked } = open(waiting);
    await until(() => asked.length === 1);
    asked[0]?.answer(said('fail'));
    await until(() => state.observed === 1);
    const answers = poller.answers(state.rollout);
    state.rollout = run(state.rollout, tick(answers));
    poller.stored('shop', answers);
    await settle();
    expect(asked).toHaveLength(1);
  });

  it('ends a question that the rollout does not want answered any more, and hands nothing in', async () => {
    const { poller, state, asked } = open(begun({ guards: [BOT] }));
    await until(() => asked.length === 1);
    state.rollout = run(state.rollout, { type: 'abort', actor: 'ci' });
    poller.follow(state.rollout);
    expect(asked[0]?.signal.aborted).toBe(true);
    await settle();
    expect(asked).toHaveLength(1);
    expect(poller.answers(state.rollout)).toEqual({});
  });

  it('ends all questions when it is closed', async () => {
    const { poller, asked } = open(begun({ guards: [BOT, { ...BOT, name: 'other' }] }));
    await until(() => asked.length === 2);
    await poller.close();
    expect(asked.every(({ signal }) => signal.aborted)).toBe(true);
  });
});
