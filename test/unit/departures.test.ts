import { setImmediate as turn } from 'node:timers/promises';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Departing, Departures } from '../../src/proxy/exchange/departures.ts';

const AT_ONCE = 64;
const PER_TURN = 16;

describe('requests that are ready to be sent', () => {
  let departures: Departures;
  /** In the order in which they were sent. */
  let sent: number[];

  beforeEach(() => {
    departures = new Departures();
    sent = [];
  });

  /** Returns those that wait. */
  function enter(from: number, to: number): Departing[] {
    const waiting: Departing[] = [];
    for (let number = from; number < to; number++) {
      const request = { onDeparture: () => void sent.push(number), departureIndex: -1 };
      if (departures.enter(request)) waiting.push(request);
      else request.onDeparture();
    }
    return waiting;
  }

  const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

  it('go at once up to a number, and those behind them a few in each turn, first come, first served', async () => {
    enter(0, AT_ONCE + 2 * PER_TURN + 2);
    expect(sent).toEqual(upTo(AT_ONCE));
    for (const more of [PER_TURN, 2 * PER_TURN, 2 * PER_TURN + 2]) {
      await turn();
      expect(sent).toEqual(upTo(AT_ONCE + more));
    }
  });

  it('go at once for as long as answers come between them', () => {
    for (let number = 0; number < 10 * AT_ONCE; number++) {
      enter(number, number + 1);
      if (number % AT_ONCE === 0) departures.onAnswer();
    }
    expect(sent).toEqual(upTo(10 * AT_ONCE));
  });

  it('overtake nobody, whatever was answered meanwhile', async () => {
    enter(0, AT_ONCE + PER_TURN + 1);
    departures.onAnswer();
    enter(AT_ONCE + PER_TURN + 1, AT_ONCE + PER_TURN + 3);
    await turn();
    expect(sent).toEqual(upTo(AT_ONCE + PER_TURN));
    departures.onAnswer();
    expect(enter(AT_ONCE + PER_TURN + 3, AT_ONCE + PER_TURN + 4)).toHaveLength(1);
    await turn();
    expect(sent).toEqual(upTo(AT_ONCE + PER_TURN + 4));
  });

  it('keep their order through a burst that does not end', async () => {
    let number = AT_ONCE + PER_TURN;
    enter(0, number);
    while (number < 5_000) {
      await turn();
      enter(number, number + PER_TURN);
      number += PER_TURN;
    }
    await turn();
    expect(sent).toEqual(upTo(number));
  });

  it('may leave, and hold up nobody then', async () => {
    const waiting = enter(0, AT_ONCE + 2 * PER_TURN);
    for (const leaving of waiting.slice(0, PER_TURN)) departures.leave(leaving);
    await turn();
    expect(sent).toEqual(
      upTo(AT_ONCE + 2 * PER_TURN).filter((number) => number < AT_ONCE || number >= AT_ONCE + PER_TURN),
    );
  });

  it('may leave from far behind the first cut of the queue, and come again behind the others', async () => {
    const waiting = enter(0, AT_ONCE + 3 * 1024);
    for (let sending = 0; sending < 1024 + 2 * PER_TURN; sending += PER_TURN) await turn();
    const leaving = waiting.slice(2 * 1024);
    for (const request of leaving.toReversed()) departures.leave(request);
    const [again] = leaving;
    expect(again !== undefined && departures.enter(again)).toBe(true);
    while (enter(10_000, 10_001).length > 0) await turn();
    const last = sent.findIndex((number) => number >= 10_000);
    expect(sent.slice(0, last)).toEqual([...upTo(AT_ONCE + 2 * 1024), AT_ONCE + 2 * 1024]);
  });

  it('are not sent faster because others left', async () => {
    for (const leaving of enter(0, AT_ONCE + 3)) departures.leave(leaving);
    enter(AT_ONCE, AT_ONCE + 3 * PER_TURN);
    await turn();
    expect(sent).toEqual(upTo(AT_ONCE + PER_TURN));
  });

  it('go at once again when all have left', async () => {
    for (const leaving of enter(0, AT_ONCE + 3)) departures.leave(leaving);
    await turn();
    expect(enter(AT_ONCE, 2 * AT_ONCE)).toEqual([]);
  });
});
