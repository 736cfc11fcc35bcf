import { describe, expect, it } from 'vitest';
import { ReadBuffer } from '../../src/http1/read-buffer.ts';
import { giveSlot, takeSlot } from '../../src/http1/slots.ts';

const SMALL = 16 * 1024;
const LARGE = 64 * 1024;

/** A read of `length` octets, and where the next goes. */
function read(buffer: ReadBuffer, length: number, messageDone: boolean): Buffer | null {
  buffer.note(length);
  return buffer.next(messageDone);
}

describe('a read buffer', () => {
  it('is one for all connections while messages are small', () => {
    const one = new ReadBuffer(false);
    const other = new ReadBuffer(true);
    expect(one.current).toBe(other.current);
    expect(one.isShared).toBe(true);
    expect(read(one, 300, true)).toBeNull();
    expect(read(one, 300, false)).toBeNull();
    expect(one.current).toBe(other.current);
  });

  it('becomes a larger one of its own when it was filled', () => {
    const buffer = new ReadBuffer(false);
    const next = read(buffer, SMALL, false);
    expect(next).toHaveLength(LARGE);
    expect(buffer.current).toBe(next);
    expect(buffer.isShared).toBe(false);
    expect(read(buffer, LARGE, false)).toBeNull();
    expect(read(buffer, 100, false)).toBeNull();
  });

  it('is shared again once the message is done', () => {
    const buffer = new ReadBuffer(false);
    read(buffer, SMALL, false);
    expect(read(buffer, 100, true)).toBe(new ReadBuffer(false).current);
    expect(buffer.isShared).toBe(true);
  });

  it('stays large from one large message to the next if it is told to keep', () => {
    const buffer = new ReadBuffer(true);
    read(buffer, SMALL, false);
    expect(read(buffer, 100, true), 'a large message ends').toBeNull();
    expect(read(buffer, LARGE, false), 'another begins').toBeNull();
    expect(read(buffer, 100, true), 'and ends').toBeNull();
    expect(read(buffer, 100, true), 'a small one follows').toBe(new ReadBuffer(true).current);
  });

  it('that was lent is not read into again, by nobody', () => {
    const lent = new Set<Buffer>();
    const buffer = new ReadBuffer(false);
    read(buffer, SMALL, false);
    for (let i = 0; i < 5; i++) {
      lent.add(buffer.current);
      buffer.lend();
      read(buffer, i % 2 === 0 ? LARGE : 100, false);
      expect(lent.has(buffer.current)).toBe(false);
    }
    lent.add(buffer.current);
    buffer.lend();
    read(buffer, 100, true);
    const others = Array.from({ length: 40 }, () => new ReadBuffer(false));
    for (const other of others) expect(lent.has(read(other, SMALL, false) as Buffer)).toBe(false);
  });

  it('goes to the next connection when its own no longer needs it', () => {
    const buffer = new ReadBuffer(false);
    const own = read(buffer, SMALL, false);
    buffer.release();
    expect(buffer.next(false), 'a closed connection is given none').toBeNull();
    expect(read(new ReadBuffer(false), SMALL, false)).toBe(own);
  });

  it('is two when two connections need a large one', () => {
    const one = read(new ReadBuffer(false), SMALL, false);
    const other = read(new ReadBuffer(false), SMALL, false);
    expect(one).not.toBe(other);
  });
});

describe('a slot', () => {
  it.each([1, 2048, 2049, 32 * 1024, 32 * 1024 + 1, 1024 * 1024])('has room for %i octets', (length) => {
    expect(takeSlot(length).length).toBeGreaterThanOrEqual(length);
  });

  it('is given to one message at a time', () => {
    const first = takeSlot(100);
    const second = takeSlot(100);
    expect(second).not.toBe(first);
    giveSlot(first);
    expect(takeSlot(200)).toBe(first);
  });
});
