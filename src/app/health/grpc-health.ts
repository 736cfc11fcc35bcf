import type { Http2Answer, Http2Request } from '../../platform/http2-client.ts';
import { parseGrpcStatus } from '../../traffic/grpc.ts';

/**
 * The health checking protocol of gRPC: a call of `grpc.health.v1.Health/Check`, and what its answer says; see
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md. Two messages of one field each need no library.
 */
const PATH = '/grpc.health.v1.Health/Check';
/** Compressed or not, and the length, before each message. */
const PREFIX_BYTES = 5;
/** Field 1 of both messages: text of the request, an enumeration in the answer. */
const SERVICE_TAG = 0x0a;
const STATUS_FIELD = 1;
const SERVING = 1;
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const OK = 0;
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

/** The call. `service`: who is asked about; empty for the server as a whole. */
export function healthCall(service: string, timeoutMs: number): Http2Request {
  const name = Buffer.from(service);
  const message = name.length === 0 ? name : Buffer.concat([Buffer.of(SERVICE_TAG), varint(name.length), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return {
    method: 'POST',
    path: PATH,
    headers: {
      'user-agent': 'tealgate',
      'content-type': 'application/grpc',
      te: 'trailers',
      'grpc-timeout': `${timeoutMs}m`,
    },
    body: Buffer.concat([prefix, message]),
  };
}

/** Why the answer is none of a server that serves; empty where it is. */
export function healthComplaint(service: string, { status, headers, trailers, body }: Http2Answer): string {
  if (status !== 200) return `status ${status} and no answer of gRPC`;
  const field = trailers['grpc-status'] ?? headers['grpc-status'];
  const call = parseGrpcStatus(typeof field === 'string' ? field : undefined);
  const who = service === '' ? 'the server' : service;
  if (call !== OK) {
    const said = decoded(trailers['grpc-message'] ?? headers['grpc-message']);
    return [`grpc-status ${call}`, hint(call, who), said].filter((part) => part !== '').join(': ');
  }
  const serving = servingStatus(body);
  return serving === SERVING ? '' : `${who} is ${STATUSES[serving] ?? 'not understood'}`;
}

function hint(call: number, who: string): string {
  if (call === NOT_FOUND) return `its health service does not know ${who}`;
  return call === UNIMPLEMENTED ? 'it has no health service' : '';
}

/** A grpc-message is percent-encoded; one that is not is shown as it came. */
function decoded(message: string | string[] | undefined): string {
  if (typeof message !== 'string') return '';
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}

/** Of a `HealthCheckResponse` in its frame; -1 where it is none. A field that is left out is 0. */
function servingStatus(frame: Buffer): number {
  if (frame.length < PREFIX_BYTES || frame[0] !== 0) return -1;
  const message = frame.subarray(PREFIX_BYTES, PREFIX_BYTES + frame.readUInt32BE(1));
  const reading = { message, at: 0 };
  let status = 0;
  while (reading.at < message.length) {
    const tag = readVarint(reading);
    if (tag < 0) return -1;
    if (tag >> 3 === STATUS_FIELD && (tag & 7) === 0) status = readVarint(reading);
    else if (!skip(reading, tag & 7)) return -1;
  }
  return status;
}

interface Reading {
  readonly message: Buffer;
  at: number;
}

function varint(value: number): Buffer {
  return value < 0x80 ? Buffer.of(value) : Buffer.concat([Buffer.of((value & 0x7f) | 0x80), varint(value >>> 7)]);
}

/** -1 where there is none of at most four octets. */
function readVarint(reading: Reading): number {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const octet = reading.message[reading.at++];
    if (octet === undefined) return -1;
    value |= (octet & 0x7f) << (7 * i);
    if (octet < 0x80) return value;
  }
  return -1;
}

/** Over a field of another number: by wire type. False where it is none. */
function skip(reading: Reading, wireType: number): boolean {
  if (wireType === 0) return readVarint(reading) >= 0;
  const length = wireType === 1 ? 8 : wireType === 5 ? 4 : wireType === 2 ? readVarint(reading) : -1;
  reading.at += length;
  return length >= 0;
}
