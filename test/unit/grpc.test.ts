import { describe, expect, it } from 'vitest';
import { isGrpcFault, isGrpcType, NO_GRPC, outcomeOfGrpc, parseGrpcStatus } from '../../src/traffic/grpc.ts';

describe('a grpc-status', () => {
  it('is a fault of the server for UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS', () => {
    const statuses = Array.from({ length: 17 }, (_, status) => status);
    expect(statuses.filter(isGrpcFault)).toEqual([2, 4, 12, 13, 14, 15]);
    expect(isGrpcFault(NO_GRPC)).toBe(false);
  });

  it('makes an outcome as the HTTP status of the same meaning would', () => {
    expect([0, 13, 5, 1].map(outcomeOfGrpc)).toEqual(['ok', 'server_error', 'client_error', 'client_error']);
  });

  it('is UNKNOWN where it is missing or no status', () => {
    expect(['0', '16', '17', '-1', '007', '', ' 0', undefined].map(parseGrpcStatus)).toEqual([0, 16, 2, 2, 2, 2, 2, 2]);
  });

  it('is looked for in responses of gRPC, which are not those of gRPC-Web', () => {
    const types = ['application/grpc', 'application/grpc+proto', 'application/grpc;charset=x'];
    const others = ['application/grpc-web', 'application/grpc-web+proto', 'application/json', undefined];
    expect(types.map(isGrpcType)).toEqual([true, true, true]);
    expect(others.map(isGrpcType)).toEqual([false, false, false, false]);
  });
});
