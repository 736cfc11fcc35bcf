import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { slotCounts } from '../../src/app/views/counts.ts';
import { readCell, TARGET } from '../../src/traffic/ledger.ts';
import { useBench } from '../support/bench.ts';
import { get, openGate, openTarget, type TestGate, until } from '../support/gate.ts';
import { echoService, type GrpcTarget, grpcMessage, openGrpcTarget } from '../support/grpc.ts';
import { data, END_STREAM, headers } from '../support/http2-frames.ts';
import { echo, useHttp2Targets } from '../support/http2-targets.ts';
import { head, type ParsedResponse, value } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';

const bench = useBench();
const targets = useHttp2Targets();
const BY = { actor: 'test' };

const open: GrpcTarget[] = [];
afterEach(async () => {
  for (const target of open.splice(0)) await target[Symbol.asyncDispose]();
});

async function grpcTarget(name: string): Promise<GrpcTarget> {
  const target = await openGrpcTarget(echoService(name));
  open.push(target);
  return target;
}

/** A unary or server-streaming call as a client of HTTP/1.1 can make it. */
function call(method: string, message: string): Buffer {
  const body = grpcMessage(message);
  return Buffer.concat([
    head(
      `POST /test.Echo/${method} HTTP/1.1`,
      'Host: gate.test',
      'Content-Type: application/grpc',
      'TE: trailers',
      `Content-Length: ${body.length}`,
    ),
    body,
  ]);
}

const statusOf = (answer: ParsedResponse): string | undefined =>
  value(answer, 'grpc-status') ?? answer.body.trailers.find(({ name }) => name === 'grpc-status')?.value;

async function serve(...ports: number[]): Promise<void> {
  await bench.serve({ upstreams: { blue: { targets: ports, http2: true } } });
}

async function ask(method: string, message: string): Promise<ParsedResponse> {
  return (await bench.send(call(method, message))).readFinal();
}

const judged = () => {
  const [target] = bench.gate.upstream(bench.service, 'blue').targets;
  const cell = (index: number) => readCell(target?.ledger ?? new SharedArrayBuffer(0), TARGET.size, index);
  return { trials: cell(TARGET.trials), errors: cell(TARGET.errors) };
};

describe('a gRPC target', () => {
  it('answers calls, its status in trailers behind a chunked body', async () => {
    await serve((await grpcTarget('blue')).port);
    const answer = await ask('One', 'hello');
    expect([answer.status, value(answer, 'content-type'), answer.body.framing]).toEqual([
      200,
      'application/grpc+proto',
      'chunked',
    ]);
    expect(answer.body.bytes).toEqual(grpcMessage('blue hello'));
    expect(answer.body.trailers).toContainEqual({ name: 'grpc-status', value: '0' });
    expect(answer.body.trailers).toContainEqual({ name: 'x-served-by', value: 'blue' });
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
    expect(judged()).toEqual({ trials: 1, errors: 0 });
  });

  it('counts as failed for statuses that are its own fault, with or without messages before', async () => {
    await serve((await grpcTarget('blue')).port);
    const faults = [
      status.UNKNOWN,
      status.DEADLINE_EXCEEDED,
      status.UNIMPLEMENTED,
      status.INTERNAL,
      status.UNAVAILABLE,
      status.DATA_LOSS,
    ];
    for (const code of faults) {
      expect(statusOf(await ask('One', `fail ${code}`))).toBe(String(code));
      expect(statusOf(await ask('Many', `2 then fail ${code}`))).toBe(String(code));
    }
    expect(await bench.account()).toMatchObject({ accepted: 12, outcomes: { server_error: 12 } });
    expect(bench.trials()).toMatchObject({ trials: 12, errors: 12 });
    expect(judged()).toEqual({ trials: 12, errors: 12 });
  });

  it('has not failed where the call was at fault', async () => {
    await serve((await grpcTarget('blue')).port);
    const refusals = [1, 3, 5, 6, 7, 8, 9, 10, 11, 16];
    for (const code of refusals) expect(statusOf(await ask('One', `fail ${code}`))).toBe(String(code));
    expect(await bench.account()).toMatchObject({ accepted: 10, outcomes: { client_error: 10 } });
    expect(bench.trials()).toMatchObject({ trials: 10, errors: 0 });
  });

  it('has failed when its response ends without a status, or with none that is one', async () => {
    const type = ['content-type', 'application/grpc'] as const;
    const endings = [
      [headers(1, [[':status', '200'], type], END_STREAM)],
      [headers(1, [[':status', '200'], type]), data(1, 'x', END_STREAM)],
      [headers(1, [[':status', '200'], type]), headers(1, [['grpc-status', 'fine']], END_STREAM)],
    ];
    for (const ending of endings) {
      const target = await targets.frames({ onRequest: (connection) => connection.send(...ending) });
      await serve(target.port);
      expect((await ask('One', 'x')).status).toBe(200);
      expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { server_error: 1 } });
    }
  });

  it('is not asked for a grpc-status in responses of another kind', async () => {
    const target = await targets.node((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '13' }));
      stream.end('x');
    });
    await serve(target.port);
    await ask('One', 'x');
    expect(await bench.account()).toMatchObject({ outcomes: { ok: 1 } });
  });

  it('that fails as a candidate is shielded where the request may be repeated', async () => {
    const failing = await targets.node((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' }, { endStream: true });
    });
    const good = await grpcTarget('blue');
    await bench.serve({
      upstreams: {
        blue: { targets: [good.port], http2: true, weight: 0 },
        green: { targets: [failing.port], http2: true },
      },
      candidate: 'green',
    });
    const idempotent = await (
      await bench.send(head('GET /test.Echo/One HTTP/1.1', 'Host: gate.test', 'Content-Type: application/grpc'))
    ).readFinal();
    expect(statusOf(idempotent)).not.toBe('14');
    expect(statusOf(await ask('One', 'hello'))).toBe('14');
    await bench.account();
    expect(bench.trials('green')).toMatchObject({ trials: 2, errors: 2, shielded: 1 });
  });
});

describe('a counting rule', () => {
  it('has its own opinion of which gRPC statuses are errors', async () => {
    const target = await grpcTarget('blue');
    const rule = {
      paths: [],
      methods: [],
      errors: [],
      ignored: [],
      client: null,
      slowMs: 0,
      timed: false,
      event: null,
    };
    const counting = [
      { ...rule, grpc: null },
      { ...rule, grpc: [status.NOT_FOUND] },
    ];
    await bench.serve({ upstreams: { blue: { targets: [target.port], http2: true } }, counting });
    for (const code of [status.NOT_FOUND, status.INTERNAL, status.UNAVAILABLE]) await ask('One', `fail ${code}`);
    await ask('One', 'hello');
    await bench.account();
    const { slots } = bench.gate.upstream(bench.service, 'blue');
    expect(slotCounts(slots ?? new SharedArrayBuffer(0)).slice(0, 2)).toMatchObject([
      { trials: 4, errors: 2 },
      { trials: 4, errors: 1 },
    ]);
  });
});

describe('HTTP/2 targets of a whole gate', () => {
  it('are given at run time, and switched to if they speak HTTP/2', async () => {
    await using blue = await openTarget('blue');
    await using http1 = await openTarget('no HTTP/2');
    const green = await targets.node(echo);
    const upstreams = { blue: { weight: 1, targets: [blue.url] }, green: { weight: 0, targets: [] } };
    await using test = await openGate({ services: { shop: { upstreams } } });
    const { control } = test;
    await control.setTargets('shop', 'green', [`h2c://127.0.0.1:${http1.port}`], BY);
    const refusal = await control.switchTo('shop', 'green', BY).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'conflict' });
    expect((await get(test.url)).body).toBe('blue');
    await control.setTargets('shop', 'green', [`H2C://127.0.0.1:${green.port}/`], BY);
    await control.switchTo('shop', 'green', BY);
    expect((await get(`${test.url}/x`)).body).toBe('GET /x ');
    expect(control.service('shop').upstreams.green?.targets).toMatchObject([{ url: `h2c://127.0.0.1:${green.port}` }]);
  });
});

describe('a rollout of a gRPC service', () => {
  const phase = (test: TestGate) => test.control.service('shop').rollout?.position.phase;

  it('is rolled back by the error rate when the candidate answers 200 and grpc-status 13', async () => {
    const [blue, green] = [await grpcTarget('blue'), await openGrpcTarget(brokenService())];
    open.push(green);
    const upstreams = {
      blue: { weight: 100, targets: [`h2c://127.0.0.1:${blue.port}`] },
      green: { weight: 0, targets: [`h2c://127.0.0.1:${green.port}`] },
    };
    const guards = { errorRate: { max: '1%', confidence: '99%' } };
    await using test = await openGate({ services: { shop: { upstreams } } });
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 50, hold: '1h' }], guards }, BY);
    await until(() => phase(test) === 'progressing', 'the first stage');
    const client = await RawClient.connect(Number(new URL(test.url).port));
    const statuses: (string | undefined)[] = [];
    await until(async () => {
      client.write(call('Many', '1'));
      const answer = await client.readFinal();
      expect(answer.status).toBe(200);
      statuses.push(statusOf(answer));
      return phase(test) === 'rolled_back';
    }, 'the rollback');
    client.destroy();
    const failed = statuses.filter((each) => each === '13').length;
    expect(failed).toBeGreaterThan(0);
    expect(failed).toBeLessThanOrEqual(20);
    const { rollout, upstreams: after } = test.control.service('shop');
    expect(rollout?.transitions.at(-1)).toMatchObject({ reason: 'error_rate', evidence: [{ verdict: 'fail' }] });
    expect(after).toMatchObject({ blue: { weight: 100 }, green: { weight: 0 } });
  });

  it('is promoted when it is well, after checks that speak HTTP/2', async () => {
    const [blue, green] = [await grpcTarget('blue'), await grpcTarget('green')];
    const upstreams = {
      blue: { weight: 100, targets: [`h2c://127.0.0.1:${blue.port}`] },
      green: { weight: 0, targets: [`h2c://127.0.0.1:${green.port}`] },
    };
    await using test = await openGate({ services: { shop: { upstreams, drain: { timeout: '1s' } } } });
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 100, hold: '100ms' }] }, BY);
    const client = await RawClient.connect(Number(new URL(test.url).port));
    await until(async () => {
      client.write(call('One', 'x'));
      expect(statusOf(await client.readFinal())).toBe('0');
      return phase(test) === 'promoted';
    }, 'the promotion');
    client.write(call('One', 'x'));
    expect((await client.readFinal()).body.bytes).toEqual(grpcMessage('green x'));
    client.destroy();
  });
});

/** Sends a message and then fails: HTTP knows nothing of it until the trailers. */
function brokenService() {
  const service = echoService('green');
  return {
    ...service,
    many: (stream: { write(message: string): void; emit(event: string, error: unknown): void }) => {
      stream.write('green 0');
      stream.emit('error', { code: status.INTERNAL, details: 'broken' });
    },
  };
}
