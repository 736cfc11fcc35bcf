import type { ListenerConfig, TlsConfig } from '../../config/config.ts';
import type { ListenerOptions, TlsOptions } from '../../proxy/messages.ts';

/** A listener with the address as the file has it: `port` in `options` is the one that was bound. */
export interface KnownListener {
  readonly configured: string;
  readonly options: ListenerOptions;
}

/** Gives each listener of the file an id. One whose address stays keeps its id and the port it was given. */
export function assignListeners(configs: readonly ListenerConfig[], known: readonly KnownListener[]): KnownListener[] {
  const left = [...known];
  let lastId = Math.max(0, ...known.map(({ options }) => options.id));
  return configs.map((config) => {
    const configured = `${config.host} ${config.port}`;
    const at = left.findIndex((listener) => listener.configured === configured);
    const [before] = at < 0 ? [] : left.splice(at, 1);
    const { timeouts, trustedProxies, proxyProtocol, host, tls, http2 } = config;
    const { streams, ...limits } = config.limits;
    const id = before?.options.id ?? ++lastId;
    const port = before?.options.port ?? config.port;
    const options: ListenerOptions = {
      id,
      host,
      port,
      timeouts,
      limits,
      trustedProxies,
      ...(proxyProtocol === 'off' ? {} : { proxyProtocol }),
      ...(http2 ? { http2: { streams } } : {}),
      ...(tls === null ? {} : { tls: toTlsOptions(tls) }),
    };
    return { configured, options };
  });
}

function toTlsOptions({ certificates, minVersion }: TlsConfig): TlsOptions {
  return { certificates: certificates.map(({ cert, key, names }) => ({ cert, key, names })), minVersion };
}

/** With the ports that were bound in place of 0. */
export function withPorts(
  listeners: readonly KnownListener[],
  bound: readonly { readonly id: number; readonly port: number }[],
): KnownListener[] {
  const ports = new Map(bound.map(({ id, port }) => [id, port]));
  return listeners.map((listener) => {
    const port = ports.get(listener.options.id) ?? listener.options.port;
    return { ...listener, options: { ...listener.options, port } };
  });
}
