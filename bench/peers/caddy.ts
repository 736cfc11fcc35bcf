import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsOf, weightedPorts } from '../layouts.ts';
import { CERTIFICATE, KEY } from '../tls.ts';
import type { Peer, Setup } from './peer.ts';
import { programVersion } from './version.ts';

export const caddy: Peer = {
  id: 'caddy',
  title: 'Caddy',
  warmsUp: false,
  upgrades: true,
  version: () => programVersion(['caddy', 'version'], /v?(\d\S*)/),
  supports: ({ operated }) => !operated,
  prepare(setup) {
    const file = join(setup.directory, 'caddy.json');
    writeFileSync(file, JSON.stringify(configuration(setup)));
    const state = `XDG_DATA_HOME=${setup.directory}`;
    const threads = `GOMAXPROCS=${setup.layout.workers}`;
    return {
      command: ['env', state, `XDG_CONFIG_HOME=${setup.directory}`, threads, 'caddy', 'run', '--config', file],
    };
  },
};

function configuration({ layout, port, targets, directory }: Setup): unknown {
  const routes = hostsOf(layout).map((host) => ({ match: [{ host: [host] }], handle: [reverseProxy(targets)] }));
  const logger = { writer: { output: 'file', filename: join(directory, 'access.log') }, include: ['http.log.access'] };
  const isSecure = layout.protocol !== 'http';
  return {
    admin: { disabled: true },
    logging: { logs: { default: { level: 'ERROR' }, ...(layout.accessLog ? { access: logger } : {}) } },
    apps: {
      ...(isSecure ? { tls: { certificates: { load_files: [{ certificate: CERTIFICATE, key: KEY }] } } } : {}),
      http: {
        servers: {
          bench: {
            listen: [`127.0.0.1:${port}`],
            automatic_https: { disable: true },
            routes,
            ...(isSecure ? { tls_connection_policies: [{ default_sni: 'gate.test' }] } : {}),
            protocols: layout.protocol === 'h2' ? ['h1', 'h2'] : ['h1'],
            ...(layout.accessLog ? { logs: {} } : {}),
          },
        },
      },
    },
  };
}

/** This version has no weights: a target stands in the round as often as its share asks, by one in twenty. */
function reverseProxy(targets: readonly number[]): unknown {
  const shares = weightedPorts(targets).flatMap(({ port, weight }) => Array.from({ length: weight / 5 }, () => port));
  return {
    handler: 'reverse_proxy',
    upstreams: shares.map((port) => ({ dial: `127.0.0.1:${port}` })),
    load_balancing: { selection_policy: { policy: 'round_robin' } },
    headers: { request: { set: { Via: ['1.1 bench'], 'X-Request-Id': ['{http.request.uuid}'] } } },
    transport: { protocol: 'http', keep_alive: { max_idle_conns_per_host: 1024 } },
  };
}
