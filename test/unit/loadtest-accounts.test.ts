import { describe, expect, test } from 'vitest';
import { settleAccounts, upstreamGains } from '../../src/loadtest/accounts.ts';
import type { GateReading } from '../../src/loadtest/gate-port.ts';

const BEFORE: GateReading = {
  startedAt: 1,
  stable: 'blue',
  upstreams: { blue: { weight: 100, requests: 5, trials: 5, errors: 1, retries: 0 } },
  accepted: 5,
  inFlight: 0,
  outcomes: { ok: 4, server_error: 1, client_abort: 0, lost: 0 },
};

function later(outcomes: Readonly<Record<string, number>>, more: Partial<GateReading> = {}): GateReading {
  const settled = Object.values(outcomes).reduce((sum, n) => sum + n, 0);
  return { ...BEFORE, accepted: settled, outcomes: { ...BEFORE.outcomes, ...outcomes }, ...more };
}

describe('the accounts of a load test', () => {
  test('lose nothing when every request was answered, whatever the status', () => {
    const accounts = settleAccounts({ sent: 10, answered: 10 }, BEFORE, later({ ok: 12, server_error: 3 }));
    expect(accounts).toMatchObject({ accepted: 10, settled: 10, answeredByGate: 10, mismatched: 0, lost: 0, note: '' });
  });

  test('lose nothing when the client left and the gate saw it leave', () => {
    const counts = { ok: 13, server_error: 1, client_abort: 1 };
    expect(settleAccounts({ sent: 10, answered: 9 }, BEFORE, later(counts))).toMatchObject({ mismatched: 0, lost: 0 });
  });

  test('lose what the gate never accepted', () => {
    expect(settleAccounts({ sent: 12, answered: 10 }, BEFORE, later({ ok: 14, server_error: 1 })).lost).toBe(2);
  });

  test('lose what is still in flight, and what died with a worker', () => {
    const inFlight = later({ ok: 12, server_error: 1 }, { accepted: 15, inFlight: 2 });
    expect(settleAccounts({ sent: 10, answered: 8 }, BEFORE, inFlight).lost).toBe(2);
    const died = later({ ok: 12, server_error: 1, lost: 2 });
    expect(settleAccounts({ sent: 10, answered: 8 }, BEFORE, died).lost).toBe(2);
  });

  test('lose answers that the gate gave and the client has not received', () => {
    const accounts = settleAccounts({ sent: 10, answered: 7 }, BEFORE, later({ ok: 14, server_error: 1 }));
    expect(accounts).toMatchObject({ mismatched: 3, lost: 3 });
  });

  test('lose a request once, though another than the gate answered it', () => {
    const accounts = settleAccounts({ sent: 10, answered: 10 }, BEFORE, later({ ok: 10, server_error: 1 }));
    expect(accounts).toMatchObject({ settled: 6, mismatched: 0, lost: 4 });
    const aborted = settleAccounts(
      { sent: 10, answered: 10 },
      BEFORE,
      later({ ok: 13, server_error: 1, client_abort: 1 }),
    );
    expect(aborted).toMatchObject({ settled: 10, mismatched: 1, lost: 1 });
  });

  test('do not claim to know when others use the service, or the gate was restarted', () => {
    const others = settleAccounts({ sent: 10, answered: 10 }, BEFORE, later({ ok: 15, server_error: 1 }));
    expect(others).toMatchObject({ lost: null, note: expect.stringContaining('1 more than were sent') });
    const anew = settleAccounts({ sent: 10, answered: 10 }, BEFORE, later({ ok: 10 }, { startedAt: 2 }));
    expect(anew).toMatchObject({ lost: null, note: expect.stringContaining('restarted') });
  });

  test('name what each upstream gained, new ones included', () => {
    const upstreams = {
      blue: { weight: 0, requests: 8, trials: 9, errors: 1, retries: 2 },
      green: { weight: 100, requests: 4, trials: 4, errors: 0, retries: 0 },
    };
    expect(upstreamGains(BEFORE, { ...BEFORE, upstreams })).toEqual({
      blue: { weight: 0, requests: 3, trials: 4, errors: 0, retries: 2 },
      green: { weight: 100, requests: 4, trials: 4, errors: 0, retries: 0 },
    });
  });
});
