import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../../src/platform/version.ts';
import { hostsOf, WEIGHTS } from '../layouts.ts';
import { CERTIFICATE, KEY } from '../tls.ts';
import type { Peer, Setup } from './peer.ts';

const CLI = fileURLToPath(new URL('../../bin/tealgate.js', import.meta.url));

/** As users start it, from the build that `npm run bench` makes of this checkout. */
export const tealgate: Peer = {
  id: 'tealgate',
  title: 'Tealgate',
  warmsUp: true,
  upgrades: true,
  version: () => VERSION,
  supports: () => true,
  prepare(setup) {
    const file = join(setup.directory, 'tealgate.yaml');
    writeFileSync(file, JSON.stringify(configuration(setup)));
    return { command: [process.execPath, CLI, 'run', '--config', file] };
  },
};

/** JSON is YAML. */
function configuration({ layout, port, adminPort, targets }: Setup): unknown {
  const urls = targets.map((target) => `http://127.0.0.1:${target}`);
  const half = urls.length / 2;
  const service = {
    upstreams: {
      blue: { weight: WEIGHTS.blue, targets: urls.slice(0, half) },
      green: { weight: layout.id === 'rollout' ? 0 : WEIGHTS.green, targets: urls.slice(half) },
    },
    stable: 'blue',
    timeouts: { idle: '60s' },
    drain: { timeout: '60s' },
    rollout: { stages: [{ weight: 5, hold: '1h' }, { weight: 100 }], guards: { errorRate: { max: '1%' } } },
  };
  return {
    listeners: [
      {
        address: `127.0.0.1:${port}`,
        timeouts: { keepAlive: '600s' },
        limits: { connections: 20_000 },
        ...(layout.protocol === 'http' ? {} : { tls: { cert: CERTIFICATE, key: KEY } }),
      },
    ],
    admin: { address: `127.0.0.1:${adminPort}` },
    store: { path: ':memory:' },
    workers: layout.workers,
    accessLog: layout.accessLog,
    services: Object.fromEntries(hostsOf(layout).map((host) => [host.split('.')[0], { ...service, hosts: [host] }])),
  };
}
