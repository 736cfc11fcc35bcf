import type { ConfigStatus } from '../app/control-plane.ts';
import type { GatePort, GateReading, RolloutReading } from '../loadtest/gate-port.ts';
import { ENDED, type Rollout } from '../rollout/rollout.ts';
import { type AdminClient, servicePath } from './client.ts';
import { CliError, EXIT } from './exit.ts';
import { reasonOf } from './render/rollout.ts';

/** A service of a gate, as the load test operates it: through the admin API. */
export class LoadtestGate implements GatePort {
  readonly service: string;
  readonly #client: AdminClient;

  private constructor(service: string, client: AdminClient) {
    this.service = service;
    this.#client = client;
  }

  /** Without a name, the gate's only service. Throws CliError `usage` for a name that it does not have. */
  static async find(client: AdminClient, name: string | undefined): Promise<LoadtestGate> {
    const names = Object.keys((await client.overview()).services);
    const [only] = names;
    const service = name ?? (names.length === 1 ? only : undefined);
    if (service !== undefined && names.includes(service)) return new LoadtestGate(service, client);
    const message = name === undefined ? 'the gate has several services' : `the gate has no service ${name}`;
    throw new CliError(EXIT.usage, message, { hint: `--service with one of: ${names.join(', ')}` });
  }

  async read(): Promise<GateReading> {
    const { startedAt, services } = await this.#client.overview();
    const view = services[this.service];
    if (view === undefined) throw new CliError(EXIT.failed, `the gate has no service ${this.service} any more`);
    const { stable, upstreams, ledger } = view;
    return { startedAt, stable, upstreams, ...ledger };
  }

  async switchTo(to: string): Promise<void> {
    await this.#client.send('POST', servicePath(this.service, '/switch'), { to });
  }

  async setWeights(weights: Readonly<Record<string, number>>): Promise<void> {
    await this.#client.send('PUT', servicePath(this.service, '/weights'), weights);
  }

  async startRollout(to: string, plan: Readonly<Record<string, unknown>>): Promise<string> {
    const body = { ...plan, to };
    return (await this.#client.send<Rollout>('POST', servicePath(this.service, '/rollouts'), body)).id;
  }

  async rollout(id: string): Promise<RolloutReading> {
    const { rollouts } = await this.#client.service(this.service);
    const rollout = rollouts.find((one) => one.id === id);
    if (rollout === undefined) throw new CliError(EXIT.failed, `the gate does not know its rollout ${id} any more`);
    const { phase } = rollout.position;
    return { id, phase, reason: reasonOf(rollout), ended: ENDED.has(phase) };
  }

  async abortRollout(): Promise<void> {
    await this.#client.send('POST', servicePath(this.service, '/rollouts/current/abort'), {});
  }

  async reload(): Promise<readonly string[]> {
    return (await this.#client.send<ConfigStatus>('POST', '/v1/reload', {})).errors;
  }
}
