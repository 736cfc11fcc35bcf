import { Socket } from 'node:net';

/** What a socket does with what it reads, as net.Socket's public option `onread` has it. */
export interface ReadTarget {
  /** Where the next read goes; null for the same place as before. */
  readonly next: () => Uint8Array | null;
  /** So many octets lie at the start of that place. False stops reading. */
  readonly take: (length: number) => boolean;
}

/** The properties in which a net.Socket keeps its `onread`. */
interface Keys {
  readonly buffer: symbol;
  readonly callback: symbol;
  readonly generator: symbol;
}

/** A net.Socket as {@link Keys} address it, and the part of its handle that is needed. */
interface Inside {
  [key: symbol]: unknown;
  readonly _handle?: { useUserBuffer?: (buffer: Uint8Array) => void } | null;
}

const KEYS = findKeys();

/**
 * Has an accepted socket, of TCP or TLS, read into memory of ours, instead of a new buffer for each read. Node.js offers
 * that for sockets that connect (`onread`) and not for those that a server accepts; see ADR 0026. Nothing may have been read
 * yet, and no 'data' will be told. A paused TLS socket still tells what it had received by then. False where it cannot be
 * had: then the socket is as it was.
 */
export function readInto(socket: Socket, first: Uint8Array, target: ReadTarget): boolean {
  const inside = socket as unknown as Inside; // undocumented, so every part is looked for before it is used
  const { _handle: handle } = inside;
  const untouched = socket.readableFlowing === null && socket.readableLength === 0;
  if (KEYS === null || !untouched) return false;
  if (typeof handle?.useUserBuffer !== 'function') return false;
  if (!(KEYS.buffer in inside)) return false;
  inside[KEYS.buffer] = first;
  inside[KEYS.generator] = target.next;
  inside[KEYS.callback] = target.take;
  handle.useUserBuffer(first);
  return true;
}

/** Looks where a socket puts what it is given by the public option. */
function findKeys(): Keys | null {
  const buffer = new Uint8Array(1);
  const generate = (): Uint8Array => buffer;
  const callback = (): boolean => true;
  const one = new Socket({ onread: { buffer, callback } });
  const other = new Socket({ onread: { buffer: generate, callback } });
  const found = { buffer: keyOf(one, buffer), callback: keyOf(one, callback), generator: keyOf(other, generate) };
  if (found.buffer === null || found.callback === null || found.generator === null) return null;
  return { buffer: found.buffer, callback: found.callback, generator: found.generator };
}

function keyOf(socket: Socket, value: unknown): symbol | null {
  const inside = socket as unknown as Inside; // as above
  return Object.getOwnPropertySymbols(socket).find((key) => inside[key] === value) ?? null;
}
