import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostsOf, type Layout, weightedPorts } from '../layouts.ts';
import { CERTIFICATE, KEY } from '../tls.ts';
import type { Peer, Prepared, Setup } from './peer.ts';
import { programVersion } from './version.ts';

export const nginx: Peer = {
  id: 'nginx',
  title: 'nginx',
  warmsUp: false,
  upgrades: true,
  version: () => programVersion(['nginx', '-v'], /nginx\/(\S+)/),
  supports: ({ operated }) => !operated,
  prepare(setup) {
    return nginxCommand(setup.directory, { workers: setup.layout.workers, http: proxyBlocks(setup) });
  },
};

/** nginx in the foreground, with everything it writes in `directory`. */
export function nginxCommand(directory: string, config: { workers: number; http: string }): Prepared {
  const file = join(directory, 'nginx.conf');
  const scratch = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${join(directory, kind)};`,
  );
  writeFileSync(
    file,
    `worker_processes ${config.workers};
pid ${join(directory, 'nginx.pid')};
error_log ${join(directory, 'error.log')} error;
daemon off;
events { worker_connections 16384; }
http {
  ${scratch.join('\n  ')}
  sendfile on;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  server_names_hash_max_size 8192;
  ${config.http}
}
`,
  );
  return { command: ['nginx', '-e', join(directory, 'error.log'), '-c', file] };
}

function listenOptions({ protocol }: Layout): string {
  if (protocol === 'http') return '';
  return protocol === 'h2' ? ' ssl http2' : ' ssl';
}

function proxyBlocks({ layout, port, targets, directory }: Setup): string {
  const tls = `ssl_certificate ${CERTIFICATE};
  ssl_certificate_key ${KEY};
  ssl_session_cache shared:sessions:1m;`;
  const log = layout.accessLog ? `access_log ${join(directory, 'access.log')};` : 'access_log off;';
  const servers = weightedPorts(targets).map((target) => `server 127.0.0.1:${target.port} weight=${target.weight};`);
  const blocks = hostsOf(layout).map(
    (host, i) => `
  upstream u${i} { ${servers.join(' ')} keepalive 1024; keepalive_requests 100000000; keepalive_timeout 60s; }
  server {
    listen 127.0.0.1:${port}${listenOptions(layout)};
    server_name ${host};
    location / {
      proxy_pass http://u${i};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_to_target;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header Via "1.1 bench";
    }
  }`,
  );
  return `${log}
  ${layout.protocol === 'http' ? '' : tls}
  map $http_upgrade $connection_to_target { default upgrade; "" ""; }
  ${blocks.join('')}`;
}
