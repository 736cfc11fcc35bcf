/** Codes by which the system refuses us a socket: our own shortage, and no fault of the peer's. */
const LOCAL: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL', 'EAGAIN']);

/** Whether a failed connection says something about this process only (file descriptors, ports, memory). */
export function isLocalFault(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && LOCAL.has(error.code);
}
