import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sut } from './sut.ts';

interface Peer {
  readonly name: string;
  readonly command: (configPath: string) => readonly string[];
  readonly config: (port: number, targetPort: number, directory: string) => string;
}

const NGINX: Peer = {
  name: 'nginx',
  command: (configPath) => ['nginx', '-c', configPath, '-e', 'stderr'],
  config: (port, targetPort, directory) => `
    daemon off; master_process off; pid ${directory}/pid; error_log stderr crit;
    events { worker_connections 2048; }
    http {
      access_log off; client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 8s; client_max_body_size 0;
      client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
      uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s; large_client_header_buffers 4 16k;
      upstream target { server 127.0.0.1:${targetPort} max_fails=0; keepalive 8; }
      map $http_upgrade $hop { default upgrade; '' ''; }
      server {
        listen 127.0.0.1:${port};
        location / {
          proxy_pass http://target; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
          proxy_set_header Host $http_host; proxy_set_header Connection $hop; proxy_set_header Upgrade $http_upgrade;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
          proxy_connect_timeout 1s; proxy_read_timeout 2s;
        }
      }
    }`,
};

const HAPROXY: Peer = {
  name: 'haproxy',
  command: (configPath) => ['haproxy', '-db', '-f', configPath],
  config: (port, targetPort) => `
global
  maxconn 2000
defaults
  mode http
  timeout connect 1s
  timeout client 8s
  timeout server 2s
  timeout http-request 2s
  timeout http-keep-alive 8s
  option forwardfor
  retry-on conn-failure empty-response
  option abortonclose
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:${targetPort}
`,
};

/** Passes connections on as they are, with what the given options of a server say of them. */
const haproxySender = (options: string): Peer => ({
  ...HAPROXY,
  config: (port, targetPort) => `
defaults
  mode tcp
  timeout connect 1s
  timeout client 8s
  timeout server 8s
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server s 127.0.0.1:${targetPort} ${options}
`,
});

export const startHaproxySender = (options: string): Promise<Sut> => startPeer(haproxySender(options));
export const startNginx = (): Promise<Sut> => startPeer(NGINX);
export const startHaproxy = (): Promise<Sut> => startPeer(HAPROXY);

/** A peer is started anew for each target; it is here for comparison, so a few milliseconds do not matter. */
async function startPeer(peer: Peer): Promise<Sut> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), `${peer.name}-`));
  let running: ChildProcess | null = null;
  const end = async (): Promise<void> => {
    if (running === null || running.exitCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  };
  return {
    name: peer.name,
    port,
    route: async (targetPort) => {
      await end();
      const configPath = join(directory, 'config');
      await writeFile(configPath, peer.config(port, targetPort, directory));
      const [command = '', ...args] = peer.command(configPath);
      running = spawn(command, args, { stdio: ['ignore', 'ignore', process.env.SUT_LOG ? 'inherit' : 'ignore'] });
      await accepting(port);
    },
    verify: async () => {},
    stop: async () => {
      await end();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function accepting(port: number): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(socket.localPort !== port)); // not connected to itself
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`nothing accepts on port ${port}`);
}

/** nginx serving these files, by name. */
export async function startNginxFiles(
  files: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & { readonly port: number }> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), 'nginx-files-'));
  await chmod(directory, 0o755); // nginx may serve as another user than the one that starts it
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  const configPath = join(directory, 'nginx.conf');
  await writeFile(
    configPath,
    `daemon off; master_process off; pid ${directory}/pid; error_log stderr crit; events {}
    http {
      access_log off; default_type text/plain; gzip on; gzip_types text/plain; gzip_min_length 1; gzip_http_version 1.1; gzip_proxied any;
      client_body_temp_path ${directory}/b; proxy_temp_path ${directory}/p; fastcgi_temp_path ${directory}/f;
      uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s; types { text/plain txt; }
      server { listen 127.0.0.1:${port}; root ${directory}; }
    }`,
  );
  const running = spawn('nginx', ['-c', configPath, '-e', 'stderr'], { stdio: 'ignore' });
  await accepting(port);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const exited = once(running, 'exit');
      running.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
