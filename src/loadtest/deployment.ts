import { createReadStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { monotonicMs } from '../platform/clock.ts';
import { TealgateError } from '../platform/errors.ts';
import { Child } from './child.ts';
import { pause } from './pause.ts';
import { healthy, reachable } from './reach.ts';
import { portVariable, type SpawnedUpstream, type SpawnFile } from './spawn-file.ts';

/** Longest that a process may take to serve. */
const START_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 50;

export interface DeploymentOptions {
  /** For the output of the processes and an inline configuration; there already. */
  readonly directory: string;
  readonly env: NodeJS.ProcessEnv;
  /** The command that starts a gate, without `run`. */
  readonly tealgate: readonly string[];
  readonly signal: AbortSignal;
}

/** A gate and its upstreams, started for the load test and ended with it. */
export class Deployment {
  /** Of the first listener, without a path. */
  url = '';
  /** As `--admin` takes it. */
  admin = '';
  readonly #file: SpawnFile;
  readonly #options: DeploymentOptions;
  readonly #ports = new Map<string, number>();
  readonly #upstreams = new Map<string, Child>();
  #gate: Child | null = null;
  readonly #killAll = () => {
    for (const child of this.#children()) child.kill('SIGKILL');
  };

  private constructor(file: SpawnFile, options: DeploymentOptions) {
    this.#file = file;
    this.#options = options;
  }

  /** Resolves when everything serves. Throws `invalid_config`, `timeout` or `unavailable`, with nothing left running. */
  static async start(file: SpawnFile, options: DeploymentOptions): Promise<Deployment> {
    const deployment = new Deployment(file, options);
    // However this process ends, nothing of it stays behind.
    process.on('exit', deployment.#killAll);
    try {
      await deployment.#start();
      return deployment;
    } catch (error) {
      await deployment.stop();
      throw error;
    }
  }

  /** Kills an upstream without warning and starts it again; resolves when it serves. */
  async restart(name: string, signal: AbortSignal): Promise<void> {
    const spec = this.#file.upstreams.find((upstream) => upstream.name === name);
    if (spec === undefined) throw new TealgateError('bad_request', `${name} is not in the file of --spawn`);
    await this.#upstreams.get(name)?.end('SIGKILL');
    await this.#startUpstream(spec, signal);
  }

  /** Ends everything: the gate drains first. Returns what had ended by itself before, and a gate that failed to stop. */
  async stop(): Promise<string[]> {
    const died = this.#children().flatMap(({ name, ended }) => (ended === null ? [] : [`${name} ${ended}`]));
    const gate = this.#gate;
    const ranOn = gate !== null && gate.ended === null;
    await gate?.end('SIGTERM');
    await Promise.all([...this.#upstreams.values()].map((child) => child.end('SIGTERM')));
    process.off('exit', this.#killAll);
    return ranOn && gate.exitCode !== 0 ? [...died, `the gate was told to stop and ${gate.ended}`] : died;
  }

  async #start(): Promise<void> {
    const { signal, directory } = this.#options;
    await this.#choosePorts();
    await Promise.all(this.#file.upstreams.map((upstream) => this.#startUpstream(upstream, signal)));
    const { gate } = this.#file;
    const config = typeof gate === 'string' ? gate : join(directory, 'tealgate.yaml');
    if (typeof gate !== 'string') await writeFile(config, JSON.stringify({ ...INLINE, ...gate }, null, 2));
    const child = this.#spawn('gate', [...this.#options.tealgate, 'run', '--config', config], {});
    this.#gate = child;
    await this.#serving(child, signal, async () => {
      const listening = await findListening(child.logPath);
      if (listening !== null) Object.assign(this, listening);
      return listening !== null;
    });
  }

  async #startUpstream(upstream: SpawnedUpstream, signal: AbortSignal): Promise<void> {
    const { name, command, health, env } = upstream;
    const port = this.#ports.get(name) ?? 0;
    const withPort = (word: string) => word.replaceAll('{port}', String(port));
    const words = typeof command === 'string' ? withPort(command) : command.map(withPort);
    const child = this.#spawn(name, words, { PORT: String(port), ...env });
    this.#upstreams.set(name, child);
    await this.#serving(child, signal, () =>
      health === null ? reachable('127.0.0.1', port) : healthy(`http://127.0.0.1:${port}${health}`),
    );
  }

  #spawn(name: string, command: string | readonly string[], more: Readonly<Record<string, string>>): Child {
    const ports = [...this.#ports].map(([upstream, port]) => [portVariable(upstream), String(port)]);
    return new Child({
      name,
      command,
      cwd: this.#file.directory,
      env: { ...this.#options.env, ...Object.fromEntries(ports), ...more },
      logPath: join(this.#options.directory, `${name}.log`),
    });
  }

  async #serving(child: Child, signal: AbortSignal, serves: () => Promise<boolean>): Promise<void> {
    const deadlineMs = monotonicMs() + START_WITHIN_MS;
    while (!(await serves())) {
      if (signal.aborted) throw new TealgateError('unavailable', `stopped before ${child.name} served`);
      const late = monotonicMs() > deadlineMs;
      if (late || child.ended !== null) {
        const how = child.ended ?? `does not serve after ${START_WITHIN_MS / 1000} s`;
        // The gate ends with 2 for a configuration that it refuses.
        const refused = child === this.#gate && child.exitCode === 2;
        const code = child.ended === null ? 'timeout' : refused ? 'invalid_config' : 'unavailable';
        throw new TealgateError(code, `${child.name} ${how}; its output in ${child.logPath}:\n${child.tail()}`);
      }
      await pause(LOOK_EVERY_MS, signal);
    }
  }

  async #choosePorts(): Promise<void> {
    for (const { name, port } of this.#file.upstreams) {
      // Whoever is there would answer in its place.
      if (port === null || !(await reachable('127.0.0.1', port))) continue;
      throw new TealgateError(
        'unavailable',
        `port ${port} of ${name} is in use by another process; stop it or leave out port`,
      );
    }
    const free = await freePorts(this.#file.upstreams.length);
    this.#file.upstreams.forEach(({ name, port }, i) => {
      this.#ports.set(name, port ?? free[i] ?? 0);
    });
  }

  #children(): Child[] {
    return [...this.#upstreams.values(), ...(this.#gate === null ? [] : [this.#gate])];
  }
}

/** What an inline configuration need not say. */
const INLINE = {
  listeners: [{ address: '127.0.0.1:0' }],
  admin: { address: '127.0.0.1:0' },
  store: { path: ':memory:' },
};

/** All held at once, so that none is given twice. */
async function freePorts(n: number): Promise<number[]> {
  const servers = Array.from({ length: n }, () => createServer());
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** The addresses in the gate's log line `listening`, or null while there is none. */
async function findListening(logPath: string): Promise<{ url: string; admin: string } | null> {
  for await (const line of createInterface({ input: createReadStream(logPath) })) {
    if (!line.includes('"event":"listening"')) continue;
    const entry: unknown = JSON.parse(line);
    const known = typeof entry === 'object' && entry !== null && 'addresses' in entry && 'admin' in entry;
    if (!known || !Array.isArray(entry.addresses)) continue;
    const secure = 'tls' in entry && Array.isArray(entry.tls) && entry.tls[0] === true;
    return { url: `${secure ? 'https' : 'http'}://${entry.addresses[0]}`, admin: String(entry.admin) };
  }
  return null;
}
