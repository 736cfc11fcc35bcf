import { describe, expect, it } from 'vitest';
import { RequestDeadlines } from '../../src/proxy/exchange/request-deadlines.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** How long a client may take nothing; longer than the time for an answer to begin. */
const CLIENT_MS = 60_000;

describe('the deadlines of a request', () => {
  it('are none before it waits for anything, and none again for the next request', () => {
    const deadlines = new RequestDeadlines(CLIENT_MS);
    expect(deadlines.next(NEVER, NEVER)).toBe(NEVER);
    deadlines.awaitResponse(10);
    deadlines.awaitContinue(0);
    deadlines.awaitAnswer();
    deadlines.reset();
    expect(deadlines.next(NEVER, NEVER)).toBe(NEVER);
    expect(deadlines.due(1e9, NEVER, NEVER)).toBeNull();
    expect(deadlines.halfClosed).toBe(false);
  });

  it('come one after another: the next is the earliest', () => {
    const deadlines = new RequestDeadlines(CLIENT_MS);
    deadlines.awaitResponse(30);
    expect(deadlines.next(40, 50)).toBe(30);
    expect(deadlines.next(20, 50)).toBe(20);
    expect(deadlines.next(40, 10)).toBe(10);
    expect(deadlines.due(29, NEVER, NEVER)).toBeNull();
    expect(deadlines.due(30, NEVER, NEVER)).toBe('response');
  });

  it('that are due together: the gravest is met', () => {
    const deadlines = new RequestDeadlines(0);
    deadlines.awaitResponse(0);
    deadlines.awaitContinue(0);
    const nowMs = performance.now() + 1e6;
    expect(deadlines.due(nowMs, NEVER, 1)).toBe('continue');
    expect(deadlines.takeContinue()).toBe(true);
    expect(deadlines.due(nowMs, NEVER, 1)).toBe('place');
    expect(deadlines.due(nowMs, NEVER, NEVER)).toBe('response');
    deadlines.awaitMore();
    expect(deadlines.due(nowMs, NEVER, 1)).toBe('gone');
    expect(deadlines.due(nowMs, 1, 1)).toBe('cut');
  });

  it('know one 100 (Continue) for each request that asked for it, and none behind its answer', () => {
    const deadlines = new RequestDeadlines(CLIENT_MS);
    expect(deadlines.takeContinue(), 'not asked for').toBe(false);
    deadlines.awaitContinue(0);
    expect(deadlines.takeContinue()).toBe(true);
    expect(deadlines.takeContinue(), 'sent').toBe(false);
    deadlines.reset();
    deadlines.awaitContinue(0);
    deadlines.answered();
    expect(deadlines.takeContinue(), 'answered').toBe(false);
  });

  it('give a client that closed its sending side longer once its answer has begun', () => {
    const deadlines = new RequestDeadlines(CLIENT_MS);
    deadlines.awaitAnswer();
    const before = deadlines.next(NEVER, NEVER);
    deadlines.awaitResponse(0);
    deadlines.answered();
    expect(deadlines.halfClosed).toBe(true);
    expect(deadlines.next(NEVER, NEVER)).toBeGreaterThan(before);
  });
});
