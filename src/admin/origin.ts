import type { IncomingMessage } from 'node:http';
import { canonicalHost, formatAddress } from '../config/address.ts';
import type { AdminConfig } from '../config/config.ts';
import { TealgateError } from '../platform/errors.ts';

/** Names under which a request may reach the admin endpoint. Anything else is DNS rebinding until shown otherwise. */
export interface HostRules {
  /** Throws `forbidden`, or `bad_request` when there is not exactly one `Host`. */
  check(request: IncomingMessage): void;
}

/** `config.hosts` and that of `config.externalUrl` match with any port or none, since an ingress may listen on another one. */
export function createHostRules(config: AdminConfig): HostRules {
  const external = config.externalUrl === null ? [] : [new URL(config.externalUrl).hostname];
  const names = new Set([...config.hosts.map((host) => host.toLowerCase()), ...external]);
  return {
    check(request) {
      const host = onlyHost(request);
      if (names.has(host) || names.has(host.replace(/:\d+$/, '')) || ownAuthorities(config, request).has(host)) return;
      throw new TealgateError('forbidden', 'this Host is not one of the admin endpoint; name it in admin.hosts');
    },
  };
}

/**
 * Throws `forbidden` for a call that a page of another site makes, credentials or not. The `Host` must have been checked.
 */
export function refuseCrossSite(request: IncomingMessage): void {
  const { origin, host } = request.headers;
  const site = request.headers['sec-fetch-site'];
  if (site === 'cross-site' || site === 'same-site') throw crossSite();
  if (origin === undefined) return;
  // The scheme is not compared: behind an ingress that ends TLS the browser says https and we speak http.
  const url = URL.parse(origin);
  if (url === null || !/^https?:$/.test(url.protocol) || url.host !== withoutDefaultPort(host ?? '', url)) {
    throw crossSite();
  }
}

function crossSite(): TealgateError {
  return new TealgateError('forbidden', 'calls from pages of other sites are refused');
}

function onlyHost(request: IncomingMessage): string {
  const lines = request.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host');
  if (lines.length !== 1) throw new TealgateError('bad_request', 'exactly one Host is needed');
  return (request.headers.host ?? '').toLowerCase();
}

/**
 * The bound address, the address that this connection came in on (for a bind to all interfaces; a rebinding attack has a
 * name, never an address), and the loopback names.
 */
function ownAuthorities(config: AdminConfig, { socket }: IncomingMessage): Set<string> {
  const { localAddress, localPort } = socket;
  if (localAddress === undefined || localPort === undefined) return new Set(['localhost']);
  const hosts = ['localhost', '127.0.0.1', '::1', canonicalHost(localAddress)];
  if (config.address.kind === 'tcp') hosts.push(config.address.host.toLowerCase());
  const authorities = hosts.map((host) => formatAddress({ host, port: localPort }));
  return new Set(localPort === 80 ? [...authorities, ...authorities.map((name) => name.slice(0, -3))] : authorities);
}

function withoutDefaultPort(host: string, { protocol }: URL): string {
  return host.toLowerCase().replace(protocol === 'https:' ? /:443$/ : /:80$/, '');
}
