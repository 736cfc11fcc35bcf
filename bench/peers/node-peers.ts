import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { hostsOf, type Layout, weightedPorts } from '../layouts.ts';
import { CERTIFICATE, KEY } from '../tls.ts';
import type { Peer, Setup } from './peer.ts';

const require = createRequire(import.meta.url);

/** What a Node.js developer would write with these packages, and with node:http in front of undici. */
export const httpProxy3: Peer = nodePeer({ id: 'http-proxy-3', title: 'http-proxy-3', upgrades: true });
export const fastProxy: Peer = nodePeer({ id: 'fast-proxy', title: 'fast-proxy', upgrades: false });
export const fastifyHttpProxy: Peer = nodePeer({
  id: 'fastify-http-proxy',
  title: '@fastify/http-proxy',
  upgrades: false,
});
export const nodeUndici: Peer = nodePeer({ id: 'node-undici', title: 'node:http + undici', upgrades: false });

/** The floor: what is below it, no proxy in Node.js can reach. Looks at nothing, so it serves one service only. */
export const relay: Peer = {
  ...nodePeer({ id: 'relay', title: 'bare relay in Node.js', upgrades: true }),
  version: () => process.version,
  onlyWhenNamed: true,
  supports: (layout) => isPlain(layout) && layout.protocol !== 'h2',
};

/** The same for HTTP/2 from clients: the floor of what stands on node:http2. */
export const relayH2: Peer = {
  ...nodePeer({ id: 'relay-h2', title: 'bare relay on node:http2', upgrades: false }),
  version: () => process.version,
  supports: ({ protocol }) => protocol === 'h2',
  onlyWhenNamed: true,
};

/** Options of the scripts under `servers/`, given as JSON. */
export interface NodeServerOptions {
  readonly port: number;
  readonly hosts: readonly string[];
  readonly targets: readonly { readonly port: number; readonly weight: number }[];
  /** Files to serve TLS with; null for plain TCP. */
  readonly tls: { readonly certificate: string; readonly key: string } | null;
}

/** Where the package has another name than the peer. */
const PACKAGES: Readonly<Record<string, string>> = {
  'node-undici': 'undici',
  'fastify-http-proxy': '@fastify/http-proxy',
};

function nodePeer(about: { readonly id: string; readonly title: string; readonly upgrades: boolean }): Peer {
  const script = fileURLToPath(new URL(`../servers/${about.id}.ts`, import.meta.url));
  return {
    ...about,
    warmsUp: true,
    version: () => packageVersion(PACKAGES[about.id] ?? about.id),
    supports: (layout) => isPlain(layout) && layout.protocol === 'http',
    prepare: (setup) => ({ command: [process.execPath, script, JSON.stringify(optionsOf(setup))] }),
  };
}

function isPlain({ operated, workers, accessLog }: Layout): boolean {
  return !operated && workers === 1 && !accessLog;
}

function optionsOf({ port, layout, targets }: Setup): NodeServerOptions {
  const tls = layout.protocol === 'http' ? null : { certificate: CERTIFICATE, key: KEY };
  return { port, hosts: hostsOf(layout), targets: weightedPorts(targets), tls };
}

function packageVersion(name: string): string | null {
  try {
    const { version } = require(`../../node_modules/${name}/package.json`) as { version: string };
    return version;
  } catch {
    return null;
  }
}
