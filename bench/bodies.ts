/** Paths that the targets answer with that many octets; every other path gets a small text. */
export const BODIES: Readonly<Record<string, number>> = {
  '/1k': 1024,
  '/100k': 100 * 1024,
  '/10m': 10 * 1024 * 1024,
};
