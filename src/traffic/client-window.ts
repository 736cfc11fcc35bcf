/** Clients that a window can hold, and places that one may be looked for at. */
const PLACES = 8192;
const PROBES = 8;

/**
 * Lets a few outcomes of each client count in a stretch of time, and no more: of one that tries again and again, the
 * first few. Of fixed size; clients that find no place count again when the next stretch begins.
 */
export class ClientWindow {
  readonly #most: number;
  readonly #perMs: number;
  /** Hash of the client at each place, 0 for a free one; made with the first client. */
  #clients: Uint32Array | null = null;
  #counts: Uint16Array | null = null;
  #endsAtMs = Number.NEGATIVE_INFINITY;

  constructor(most: number, perMs: number) {
    this.#most = most;
    this.#perMs = perMs;
  }

  /** Whether this outcome of a client counts. `nowMs`: of a clock that does not jump. */
  admits(client: string, nowMs: number): boolean {
    if (nowMs >= this.#endsAtMs) this.#begin(nowMs);
    const clients = this.#clients as Uint32Array; // made by #begin
    const counts = this.#counts as Uint16Array;
    const hash = hashOf(client);
    for (let probe = 0; probe < PROBES; probe++) {
      const place = (hash + probe) % PLACES;
      if (clients[place] === 0) clients[place] = hash;
      if (clients[place] !== hash) continue;
      const count = counts[place] as number;
      if (count >= this.#most) return false;
      counts[place] = count + 1;
      return true;
    }
    return false;
  }

  #begin(nowMs: number): void {
    this.#endsAtMs = nowMs + this.#perMs;
    this.#clients = this.#clients?.fill(0) ?? new Uint32Array(PLACES);
    this.#counts = this.#counts?.fill(0) ?? new Uint16Array(PLACES);
  }
}

/** FNV-1a of the UTF-16 units with the finish of murmur3, so that close addresses lie apart; never 0. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0 || 1;
}
