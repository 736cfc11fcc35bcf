import 'node:buffer';

/**
 * Methods that Buffer has always had and @types/node leaves out: `toString('latin1', …)` without the look-up of the
 * encoding's name, which costs as much as the decoding of a short field.
 */
declare global {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    utf8Slice(start?: number, end?: number): string;
    /** Returns the number of octets written. */
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}
