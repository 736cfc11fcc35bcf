import { describe, expect, it } from 'vitest';
import { type AttemptFailure, FAILURES } from '../../src/proxy/exchange/failures.ts';
import { type Repeatable, recoveryFrom } from '../../src/proxy/exchange/recovery.ts';

const REQUESTS = {
  get: { replayable: true, idempotent: true },
  post: { replayable: true, idempotent: false },
  sentGet: { replayable: false, idempotent: true },
  sentPost: { replayable: false, idempotent: false },
} as const satisfies Record<string, Repeatable>;

const ATTEMPT_FAILURES = Object.keys(FAILURES).filter(
  (failure): failure is AttemptFailure => !['no_target', 'no_place', 'cut', 'local'].includes(failure),
);

describe('a failed attempt', () => {
  it.each(ATTEMPT_FAILURES)('of a request that is no longer at hand is never repeated (%s)', (failure) => {
    for (const request of [REQUESTS.sentGet, REQUESTS.sentPost]) {
      expect(recoveryFrom(failure, false, request)).toBe('give_up');
      expect(recoveryFrom(failure, true, request)).toBe('give_up');
    }
  });

  it.each([
    ['connect_refused', 'elsewhere'],
    ['connect_timeout', 'elsewhere'],
    ['connect_failed', 'elsewhere'],
    ['tls_certificate', 'elsewhere'],
    ['not_http2', 'elsewhere'],
    ['unprocessed', 'elsewhere'],
    ['reset', 'give_up'],
    ['protocol', 'give_up'],
    ['truncated', 'give_up'],
    ['response_timeout', 'give_up'],
  ] as const)('of a POST is repeated only where the target cannot have seen it (%s: %s)', (failure, recovery) => {
    expect(recoveryFrom(failure, false, REQUESTS.post)).toBe(recovery);
  });

  it.each(ATTEMPT_FAILURES)('of a GET is repeated elsewhere (%s)', (failure) => {
    expect(recoveryFrom(failure, false, REQUESTS.get)).toBe('elsewhere');
  });

  it('by a connection that the target closed as it was used again is no fault of the target', () => {
    expect(recoveryFrom('reset', true, REQUESTS.get)).toBe('fresh');
    expect(recoveryFrom('reset', true, REQUESTS.post), 'it may have come through').toBe('give_up');
    expect(recoveryFrom('unprocessed', true, REQUESTS.post)).toBe('fresh');
    expect(recoveryFrom('protocol', true, REQUESTS.get)).toBe('elsewhere');
  });
});
