import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';

/** Whether there is a Prometheus on this machine. */
export const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0;

/** A real Prometheus on a free port, which scrapes `targets` four times a second. */
export interface PrometheusProcess extends AsyncDisposable {
  readonly url: string;
  stop(): Promise<void>;
  /** Resolves when the query has a value. */
  hasValue(query: string): Promise<boolean>;
}

/**
 * @param targets `host:port` of what has `/metrics`
 * @param tls files of a certificate and its key: it answers by `https:` only
 */
export async function openPrometheus(
  targets: readonly string[],
  port = 0,
  tls?: { readonly cert: string; readonly key: string },
): Promise<PrometheusProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'tealgate-prometheus-'));
  const config = {
    global: { scrape_interval: '250ms', scrape_timeout: '250ms' },
    scrape_configs: [{ job_name: 'gate', static_configs: [{ targets }] }],
  };
  await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(config));
  if (tls !== undefined) {
    const web = { tls_server_config: { cert_file: tls.cert, key_file: tls.key } };
    await writeFile(join(directory, 'web.yml'), JSON.stringify(web));
  }
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=info',
      ...(tls === undefined ? [] : [`--web.config.file=${join(directory, 'web.yml')}`]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${await boundPort(child)}`;
    // Whom the gate believes is what tests are about; they themselves only look.
    const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
    const ask = (path: string) => fetch(`${url}${path}`, { dispatcher });
    while (!(await ask('/-/ready').catch(() => null))?.ok) await new Promise((go) => setTimeout(go, 50));
    const hasValue = async (query: string): Promise<boolean> => {
      const answer = await ask(`/api/v1/query?query=${encodeURIComponent(query)}`);
      const { data } = (await answer.json()) as { data?: { result: unknown[] } };
      return (data?.result.length ?? 0) > 0;
    };
    return { url, stop, hasValue, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** From what it logs: `Listening on … address=127.0.0.1:34567`. What it says after that is read, and dropped. */
function boundPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (said.length < 100_000) said += text;
      const port = /"Listening on"[^\n]*address=\S*:(\d+)/.exec(said)?.[1];
      if (port !== undefined) resolve(Number(port));
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`Prometheus ended before it listened: ${said}`)));
  });
}
