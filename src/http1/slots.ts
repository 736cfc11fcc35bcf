/**
 * Most messages fit the small ones; a buffer full of an upload's beginning, with its head, the middle ones; what is read of a
 * large body at once, the large ones.
 */
const SIZES = [2 * 1024, 32 * 1024, 64 * 1024] as const;
/** Kept for the next message, in octets of each size. */
const SPARE_BYTES = 2 * 1024 * 1024;

const spare: readonly Buffer[][] = SIZES.map(() => []);

/** Memory for a message that may be needed again, at least so long; `giveSlot` takes it back. */
export function takeSlot(length: number): Buffer {
  for (let i = 0; i < SIZES.length; i++) {
    const size = SIZES[i] as number;
    if (length <= size) return spare[i]?.pop() ?? Buffer.allocUnsafeSlow(size);
  }
  return Buffer.allocUnsafeSlow(length);
}

/** Nothing may use it any more. */
export function giveSlot(slot: Buffer): void {
  for (let i = 0; i < SIZES.length; i++) {
    const list = spare[i] as Buffer[];
    if (slot.length === SIZES[i] && list.length * slot.length < SPARE_BYTES) list.push(slot);
  }
}
