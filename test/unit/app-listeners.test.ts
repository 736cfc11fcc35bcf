import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { listenError } from '../../src/app/workers/listen-error.ts';
import { assignListeners, withPorts } from '../../src/app/workers/listener-options.ts';
import { probeAddress } from '../../src/app/workers/probe-address.ts';
import type { ListenerConfig } from '../../src/config/config.ts';
import { refuses } from '../support/sockets.ts';

function listener(host: string, port: number): ListenerConfig {
  return {
    host,
    port,
    trustedProxies: [],
    proxyProtocol: 'off',
    timeouts: { headMs: 1, bodyMs: 1, keepAliveMs: 1 },
    limits: { headBytes: 1, fields: 1, bodyBytes: 1, connections: 1, streams: 1 },
    tls: null,
    http2: false,
  };
}

describe('listeners', () => {
  it('keep their id and their chosen port while their address stays in the file', () => {
    const first = withPorts(assignListeners([listener('127.0.0.1', 0), listener('::1', 80)], []), [
      { id: 1, port: 40_001 },
    ]);
    const second = assignListeners([listener('127.0.0.2', 0), listener('127.0.0.1', 0)], first);
    expect(second.map(({ options: { id, host, port } }) => [id, host, port])).toEqual([
      [3, '127.0.0.2', 0],
      [1, '127.0.0.1', 40_001],
    ]);
  });

  it('speak HTTP/2 where the file says so', () => {
    const [plain, both] = assignListeners([listener('::1', 80), { ...listener('::1', 81), http2: true }], []);
    expect([plain?.options.http2, both?.options.http2]).toEqual([undefined, { streams: 1 }]);
  });

  it('of the same address are told apart by their order', () => {
    const twice = [listener('127.0.0.1', 0), listener('127.0.0.1', 0)];
    const first = withPorts(assignListeners(twice, []), [
      { id: 1, port: 40_001 },
      { id: 2, port: 40_002 },
    ]);
    expect(assignListeners(twice, first).map(({ options }) => options.port)).toEqual([40_001, 40_002]);
    expect(assignListeners(twice.slice(1), first).map(({ options }) => options.port)).toEqual([40_001]);
  });
});

describe('an address', () => {
  it('that another process holds is refused by name, even one that shares its port', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0, reusePort: true }, resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(probeAddress('127.0.0.1', port)).rejects.toMatchObject({
      code: 'address_in_use',
      message: expect.stringContaining(`127.0.0.1:${port} is in use`),
    });
    await new Promise((resolve) => server.close(resolve));
    await probeAddress('127.0.0.1', port);
  });

  it('is not opened for a moment by asking whether it is free', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await new Promise((resolve) => server.close(resolve));
    let asking = true;
    const asked = Promise.all(Array.from({ length: 20 }, () => probeAddress('127.0.0.1', port))).then(() => {
      asking = false;
    });
    while (asking) expect(await refuses(port)).toBe(true);
    await asked;
  });

  it('that cannot be listened on is named, with what to do', () => {
    const failure = { host: '::1', port: 80 };
    expect(listenError({ ...failure, code: 'EADDRNOTAVAIL' }).message).toBe(
      '[::1]:80 is not an address of this machine',
    );
    expect(listenError({ ...failure, code: 'EACCES' }).message).toMatch(/not allowed to listen on \[::1\]:80; ports/);
    expect(listenError({ ...failure, code: 'EMFILE' })).toMatchObject({ code: 'unavailable' });
  });
});
