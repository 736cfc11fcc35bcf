import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { eventually } from './inbox.ts';
import { head, type ParsedResponse } from './message.ts';
import { obligation } from './obligations.ts';
import type { RawClient } from './raw-client.ts';
import type { ScriptedTarget, TargetRequest, TargetScript } from './scripted-target.ts';
import { Sockets } from './sockets.ts';
import { type Sut, startSut } from './sut.ts';

/** The test of one obligation, named by its id; `variation` tells several apart. `timeoutMs`: where the usual is too short. */
export function row(id: string, run: () => Promise<void>, variation?: string, timeoutMs?: number): void {
  it(obligation(id, variation), run, timeoutMs);
}

/** What a gate made of an adversarial message. */
export interface Verdict {
  readonly kind: 'rejected' | 'served';
  readonly answer: ParsedResponse;
  /** Whole requests that reached the target. */
  readonly forwarded: readonly TargetRequest[];
  readonly client: RawClient;
  readonly target: ScriptedTarget;
}

/** One gate per file; targets and clients per test, closed and checked after each. */
export class Lab {
  #sut: Sut | null = null;
  readonly #sockets = new Sockets();

  async start(): Promise<void> {
    this.#sut = await startSut();
  }

  async stop(): Promise<void> {
    await this.#sut?.stop();
  }

  get sut(): Sut {
    if (this.#sut === null) throw new Error('the gate is not started');
    return this.#sut;
  }

  /** A new target that gets everything from now on. */
  async target(script?: TargetScript): Promise<ScriptedTarget> {
    const target = await this.#sockets.target(script);
    await this.sut.route(target.port);
    return target;
  }

  async client(): Promise<RawClient> {
    return this.#sockets.client(this.sut.port);
  }

  /** Sends the bytes on a connection of its own and returns that connection. */
  async send(...bytes: (string | Buffer)[]): Promise<RawClient> {
    const client = await this.client();
    client.write(...bytes);
    return client;
  }

  /** As `attack`, for messages that must be served; returns the request as the target saw it. */
  async served(bytes: Buffer | string, script?: TargetScript): Promise<TargetRequest> {
    const { kind, answer, forwarded } = await this.attack(bytes, script);
    expect(kind, `answered ${answer.status}`).toBe('served');
    return forwarded[0] as TargetRequest; // attack() has counted
  }

  /** A following request on a fresh connection works; what was sent before it has been dealt with by then. */
  async probe(target: ScriptedTarget): Promise<void> {
    const before = target.script;
    target.script = async (request) => {
      if (request.target !== PROBE) return before(request);
      request.send(head('HTTP/1.1 200 OK', 'Content-Length: 5'), 'probe');
    };
    const client = await this.send(head(`GET ${PROBE} HTTP/1.1`, 'Host: probe.test'));
    const answer = await client.readFinal();
    expect(`${answer.status} ${answer.body.bytes}`).toBe('200 probe');
    client.destroy();
    target.script = before;
  }

  /**
   * Sends a message that a lenient parser could be fooled by. Whatever the gate does: the client gets one answer; a
   * refusal closes; the target sees nothing or exactly one well-framed message; the next request works.
   */
  async attack(bytes: Buffer | string, script?: TargetScript): Promise<Verdict> {
    const target = await this.target(script);
    const client = await this.send(bytes);
    const answer = await client.readFinal();
    const rejected = answer.status >= 400;
    if (rejected) {
      await client.readUntilClosed();
      expect(client.rest.toString('latin1'), 'one answer, then the end').toBe('');
    }
    await this.probe(target);
    for (const request of target.requests) if (!request.complete) await request.connection.closed();
    const forwarded = target.whole.filter((request) => request.target !== PROBE);
    expect(forwarded.map((request) => request.head.startLine)).toHaveLength(rejected ? 0 : 1);
    expect(target.requests.map((request) => request.target).join(' ')).not.toContain('smuggled');
    expect(target.violations).toEqual([]);
    return { kind: rejected ? 'rejected' : 'served', answer, forwarded, client, target };
  }

  /** As `attack`, for messages that must be refused with this status (default: any 4xx). */
  async refused(bytes: Buffer | string, ...statuses: number[]): Promise<void> {
    const { kind, answer } = await this.attack(bytes);
    expect(kind, `answered ${answer.status}`).toBe('rejected');
    if (statuses.length > 0) expect(statuses).toContain(answer.status);
    else expect(answer.status).toSatisfy((status: number) => status >= 400 && status < 500);
  }

  /** Closes the test's sockets and holds the gate to its promises. */
  async clean(): Promise<void> {
    this.#sockets.destroyClients();
    try {
      await this.sut.verify();
    } catch (error) {
      // Whatever state it is in must fail this test only.
      await this.stop();
      await this.start();
      throw error;
    } finally {
      expect(await this.#sockets.closeTargets()).toEqual([]);
    }
  }
}

const PROBE = '/probe';

/** A request that must never be taken for one: it stands where a body or a refused message stands. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: smuggled.test\r\n\r\n';

/** A lab whose life is the test file's. */
export function useLab(): Lab {
  const lab = new Lab();
  beforeAll(() => lab.start());
  afterEach(() => lab.clean());
  afterAll(() => lab.stop());
  return lab;
}

/** Waits until the target has seen `count` whole requests. */
export async function wholeRequests(target: ScriptedTarget, count: number): Promise<readonly TargetRequest[]> {
  await eventually(`the target has ${count} whole requests`, () => target.whole.length >= count);
  return target.whole;
}
