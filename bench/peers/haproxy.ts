import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsOf, weightedPorts } from '../layouts.ts';
import { mostConnections } from '../system/open-files.ts';
import { certificateAndKey } from '../tls.ts';
import type { Peer, Setup } from './peer.ts';
import { programVersion } from './version.ts';

export const haproxy: Peer = {
  id: 'haproxy',
  title: 'HAProxy',
  warmsUp: false,
  upgrades: true,
  version: () => programVersion(['haproxy', '-v'], /version (\S+)/),
  supports: ({ operated }) => !operated,
  prepare(setup) {
    const file = join(setup.directory, 'haproxy.cfg');
    const hosts = join(setup.directory, 'hosts.map');
    writeFileSync(
      hosts,
      hostsOf(setup.layout)
        .map((host, i) => `${host} s${i}\n`)
        .join(''),
    );
    writeFileSync(join(setup.directory, 'gate.pem'), certificateAndKey());
    writeFileSync(file, configuration(setup, hosts));
    return { command: ['haproxy', '-db', '-f', file] };
  },
};

function bindOptions({ layout, directory }: Setup): string {
  if (layout.protocol === 'http') return '';
  const alpn = layout.protocol === 'h2' ? ' alpn h2,http/1.1' : '';
  return ` ssl crt ${join(directory, 'gate.pem')}${alpn}`;
}

function configuration(setup: Setup, hosts: string): string {
  const { layout, port, targets } = setup;
  const servers = weightedPorts(targets).map(
    (target, i) => `  server t${i} 127.0.0.1:${target.port} weight ${target.weight}`,
  );
  const backends = hostsOf(layout).map(
    (_, i) => `backend s${i}
  balance roundrobin
  http-reuse safe
${servers.join('\n')}
`,
  );
  const log = layout.accessLog ? '  log global\n  option httplog' : '  no log';
  return `global
  nbthread ${layout.workers}
  maxconn ${Math.min(mostConnections(), 12_000)}
  log stdout format raw daemon
defaults
  mode http
${log}
  option http-keep-alive
  timeout connect 2s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
  timeout http-keep-alive 600s
frontend clients
  bind 127.0.0.1:${port}${bindOptions(setup)}
  option forwardfor
  unique-id-format %{+X}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Via "1.1 bench"
  use_backend %[req.hdr(host),lower,map(${hosts})]
${backends.join('')}`;
}
