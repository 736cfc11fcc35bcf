import type { Outcome } from './ledger.ts';

/** In place of a grpc-status, for a response that is none of gRPC or has not told it yet. */
export const NO_GRPC = -1;
/** UNKNOWN: also what clients take a response for that ends without a status. */
const GRPC_UNKNOWN = 2;

const OK = 0;
/**
 * The statuses that say that the server failed: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and
 * DATA_LOSS, as OpenTelemetry's conventions for gRPC servers and Envoy's outlier detection have them.
 */
const FAULTS: ReadonlySet<number> = new Set([GRPC_UNKNOWN, 4, 12, 13, 14, 15]);

/** Statuses are 0 to 16; whatever else stands there is UNKNOWN (gRPC's HTTP/2 mapping). */
export function parseGrpcStatus(value: string | undefined): number {
  return value !== undefined && /^(\d|1[0-6])$/.test(value) ? Number(value) : GRPC_UNKNOWN;
}

export function isGrpcFault(status: number): boolean {
  return status > OK && FAULTS.has(status);
}

/** Of a request whose response was relayed with this status. */
export function outcomeOfGrpc(status: number): Outcome {
  if (status === OK) return 'ok';
  return FAULTS.has(status) ? 'server_error' : 'client_error';
}

/** `application/grpc`, with or without a message format; gRPC-Web has its status in the body and is not meant. */
export function isGrpcType(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false;
  const next = contentType.charAt('application/grpc'.length);
  return next === '' || next === '+' || next === ';';
}
