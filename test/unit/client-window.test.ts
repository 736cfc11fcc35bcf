import { describe, expect, it } from 'vitest';
import { MOST_COUNTERS } from '../../src/config/guards/selection.ts';
import { ClientWindow } from '../../src/traffic/client-window.ts';
import { SLOTS } from '../../src/traffic/ledger.ts';

describe('a client window', () => {
  const admitted = (window: ClientWindow, client: string, times: number, nowMs: number): number =>
    Array.from({ length: times }, () => window.admits(client, nowMs)).filter(Boolean).length;

  it('lets so many outcomes of a client count, and again when the next stretch begins', () => {
    const window = new ClientWindow(3, 1000);
    expect(admitted(window, '192.0.2.1', 50, 0)).toBe(3);
    expect(admitted(window, '192.0.2.2', 50, 999)).toBe(3);
    expect(admitted(window, '192.0.2.1', 50, 999)).toBe(0);
    expect(admitted(window, '192.0.2.1', 50, 1000)).toBe(3);
  });

  it('holds thousands of clients apart', () => {
    const window = new ClientWindow(1, 1000);
    let count = 0;
    for (let n = 0; n < 4000; n++) count += admitted(window, `10.${n >> 8}.7.${n & 255}`, 3, 0);
    expect(count).toBeGreaterThan(3900);
    expect(count).toBeLessThanOrEqual(4000);
  });

  it('leaves out clients that find no place, and never counts one twice', () => {
    const window = new ClientWindow(1, 1000);
    let count = 0;
    for (let n = 0; n < 100_000; n++) count += admitted(window, `client ${n}`, 1, 0);
    expect(count).toBeGreaterThan(7000);
    expect(count).toBeLessThanOrEqual(8192);
    expect(admitted(window, 'client 1', 5, 0)).toBe(0);
  });
});

it('a plan may ask for as many counters as the ledger has slots', () => {
  expect(MOST_COUNTERS).toBe(SLOTS);
});
