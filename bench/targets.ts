import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BODIES } from './bodies.ts';
import { nginx, nginxCommand } from './peers/nginx.ts';
import { type Child, freePort, startServer } from './system/child.ts';

const NODE_TARGET = fileURLToPath(new URL('./servers/target.ts', import.meta.url));

/** The servers behind the proxies; every peer has the same ones. */
export interface Targets {
  /** Ports of each kind, as many as any layout asks for. */
  readonly files: readonly number[];
  readonly sink: readonly number[];
  readonly description: string;
  stop(): Promise<void>;
}

/** Starts targets on the cores of this process. */
export async function startTargets(directory: string, files: number): Promise<Targets> {
  const filePorts = await freePorts(files);
  const sinkPorts = await freePorts(2);
  const started: Child[] = [];
  const start = async (command: readonly string[], port: number, name: string): Promise<void> => {
    started.push(await startServer(command, [port], join(directory, `${name}.log`)));
  };
  const version = nginx.version();
  const filesCommand = version === null ? nodeCommand(filePorts) : nginxTarget(directory, filePorts);
  await start(filesCommand, filePorts[0] ?? 0, 'target-files');
  await start(nodeCommand(sinkPorts), sinkPorts[1] ?? 0, 'target-sink');
  return {
    files: filePorts,
    sink: sinkPorts,
    description: version === null ? 'Node.js' : `nginx ${version}; Node.js for uploads and WebSockets`,
    async stop() {
      await Promise.all(started.map((child) => child.stop()));
    },
  };
}

function nodeCommand(ports: readonly number[]): readonly string[] {
  return [process.execPath, NODE_TARGET, JSON.stringify(ports)];
}

function nginxTarget(directory: string, ports: readonly number[]): readonly string[] {
  const own = join(directory, 'target');
  const files = join(own, 'files');
  mkdirSync(files, { recursive: true });
  for (const [path, bytes] of Object.entries(BODIES)) writeFileSync(join(files, path), Buffer.alloc(bytes, 'x'));
  const listen = ports.map((port) => `listen 127.0.0.1:${port};`).join('\n    ');
  const http = `access_log off;
  open_file_cache max=100;
  default_type text/plain;
  server {
    ${listen}
    root ${files};
    location = / { return 200 "hello world, this is a small response body\\n"; }
  }`;
  return nginxCommand(own, { workers: 1, http }).command;
}

async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freePort());
  return [...ports];
}
