import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
  type ServerDuplexStream,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { useBench } from '../support/bench.ts';
import { ECHO, echoService, type GrpcTarget, openGrpcTarget } from '../support/grpc.ts';
import { END_STREAM, goaway, headers } from '../support/http2-frames.ts';
import { useHttp2Targets } from '../support/http2-targets.ts';
import { eventually } from '../support/inbox.ts';

const bench = useBench({ listener: { http2: { streams: 100 } } });
const targets = useHttp2Targets();

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function grpcTarget(name: string, implementation = echoService(name)): Promise<GrpcTarget> {
  const target = await openGrpcTarget(implementation);
  open.push(() => target[Symbol.asyncDispose]());
  return target;
}

type Callback = (error: ServiceError | null, answer?: string) => void;

/** What the generic constructor makes of ECHO. */
interface EchoClient extends Client {
  one(message: string, metadata: Metadata, options: CallOptions, callback: Callback): ClientUnaryCall;
  many(message: string, options?: CallOptions): ClientReadableStream<string>;
  sum(callback: Callback): ClientWritableStream<string>;
  chat(options?: CallOptions): ClientDuplexStream<string, string>;
}

const Echo = makeGenericClientConstructor(ECHO, 'Echo');

function echoClient(): EchoClient {
  const client = new Echo(`127.0.0.1:${bench.gate.port}`, credentials.createInsecure());
  open.push(() => client.close());
  return client as unknown as EchoClient; // its methods are made from ECHO
}

async function serve(...ports: number[]): Promise<EchoClient> {
  await bench.serve({ upstreams: { blue: { targets: ports, http2: true } } });
  return echoClient();
}

interface Ended {
  readonly answer: string | undefined;
  readonly error: ServiceError | null;
  readonly status: StatusObject;
}

function one(client: EchoClient, message: string, options: CallOptions = {}): Promise<Ended> {
  return new Promise((resolve) => {
    let ended: { error: ServiceError | null; answer: string | undefined } | null = null;
    const call = client.one(message, new Metadata(), options, (error, answer) => {
      ended = { error, answer };
    });
    call.on('status', (status) =>
      setImmediate(() => resolve({ ...(ended ?? { error: null, answer: undefined }), status })),
    );
  });
}

/** All messages of a call, and its status. */
function readAll(call: ClientReadableStream<string> | ClientDuplexStream<string, string>) {
  return new Promise<{ messages: string[]; status: StatusObject }>((resolve) => {
    const messages: string[] = [];
    call.on('data', (message: string) => messages.push(message));
    call.on('error', () => {}); // 'status' says it
    call.on('status', (status) => resolve({ messages, status }));
  });
}

describe('gRPC through the gate', () => {
  it('makes unary calls, with trailers', async () => {
    const client = await serve((await grpcTarget('blue')).port);
    const { answer, status: ended } = await one(client, 'hello');
    expect([answer, ended.code, ended.metadata.get('x-served-by')]).toEqual(['blue hello', status.OK, ['blue']]);
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { ok: 1 } });
  });

  it('passes every status with its message', async () => {
    const client = await serve((await grpcTarget('blue')).port);
    for (let code = 1; code <= 16; code++) {
      const { error } = await one(client, `fail ${code}`);
      expect([error?.code, error?.details, error?.metadata.get('x-served-by')]).toEqual([code, 'as asked', ['blue']]);
    }
    expect(await bench.account()).toMatchObject({ outcomes: { server_error: 6, client_error: 10 } });
  });

  it('streams from the server, from the client, and both ways at once', async () => {
    const client = await serve((await grpcTarget('blue')).port);
    const many = await readAll(client.many('100'));
    expect([many.messages.length, many.messages.at(-1), many.status.code]).toEqual([100, 'blue 99', status.OK]);

    const sum = await new Promise((resolve) => {
      const call = client.sum((_, answer) => resolve(answer));
      for (const part of ['1', '2', '3']) call.write(part);
      call.end();
    });
    expect(sum).toBe('blue 1+2+3');

    const chat = client.chat().on('error', () => {});
    const said: string[] = [];
    for (const message of ['a', 'b', 'c']) {
      const heard = new Promise((resolve) => chat.once('data', resolve));
      chat.write(message);
      said.push(String(await heard)); // each is answered before the next one is sent
    }
    const rest = readAll(chat);
    chat.end();
    expect([said, (await rest).status.code]).toEqual([['blue a', 'blue b', 'blue c'], status.OK]);
    expect(await bench.account()).toMatchObject({ accepted: 3, outcomes: { ok: 3 } });
  });

  it('passes the status of a call that its server ends while its client still goes on', async () => {
    const hangUp = (call: ServerDuplexStream<string, string>): void => {
      call.on('data', (message: string) => {
        call.write(`blue ${message}`);
        setImmediate(() => call.emit('error', { code: status.ABORTED, details: 'enough' }));
      });
    };
    const client = await serve((await grpcTarget('blue', { ...echoService('blue'), chat: hangUp })).port);
    const chat = client.chat();
    const ended = readAll(chat);
    chat.write('a');
    expect(await ended).toMatchObject({ messages: ['blue a'], status: { code: status.ABORTED, details: 'enough' } });
    expect(await bench.account()).toMatchObject({ accepted: 1, outcomes: { client_error: 1 } });
  });

  it('passes the status that ends a stream of messages', async () => {
    const client = await serve((await grpcTarget('blue')).port);
    const { messages, status: ended } = await readAll(client.many('3 then fail 13'));
    expect([messages.length, ended.code]).toEqual([3, status.INTERNAL]);
    expect(await bench.account()).toMatchObject({ outcomes: { server_error: 1 } });
  });

  it('passes deadlines on, and tells the server when a client gives up', async () => {
    const deadlines: unknown[] = [];
    const cancelled: string[] = [];
    const service = echoService('blue');
    const target = await grpcTarget('blue', {
      ...service,
      one: (call: { getDeadline(): unknown; on(event: 'cancelled', listener: () => void): void }) => {
        deadlines.push(call.getDeadline());
        call.on('cancelled', () => cancelled.push('one'));
      },
      chat: (call: { on(event: string, listener: () => void): void; write(message: string): void }) => {
        call.write('blue begins');
        call.on('cancelled', () => cancelled.push('chat'));
      },
    });
    const client = await serve(target.port);
    const { error } = await one(client, 'wait', { deadline: Date.now() + 300 });
    expect(error?.code).toBe(status.DEADLINE_EXCEEDED);
    expect(Number(deadlines[0])).toBeLessThan(Date.now() + 300);
    await eventually('the server knows', () => cancelled.includes('one'));

    const chat = client.chat().on('error', () => {});
    const ended = readAll(chat);
    await new Promise((resolve) => chat.once('data', resolve));
    chat.cancel();
    expect((await ended).status.code).toBe(status.CANCELLED);
    await eventually('the server knows', () => cancelled.includes('chat'));
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { client_abort: 2 } });
    expect(bench.trials()).toMatchObject({ errors: 0 });
  });

  it('leaves a stream that is silent both ways alone, however long the body timeout', async () => {
    const client = await serve((await grpcTarget('blue')).port);
    const chat = client.chat().on('error', () => {});
    chat.write('a');
    await new Promise((resolve) => chat.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // the listener of the bench waits 2 s for a body
    const heard = new Promise((resolve) => chat.once('data', resolve));
    chat.write('b');
    expect(await heard).toBe('blue b');
    chat.end();
    expect((await readAll(chat)).status.code).toBe(status.OK);
  });

  it('has UNAVAILABLE for a target that is gone, and for a stream that is cut', async () => {
    const target = await grpcTarget('blue');
    const client = await serve(target.port);
    const begun = client.many('1 then wait');
    const ended = readAll(begun);
    await new Promise((resolve) => begun.once('data', resolve));
    target.server.forceShutdown();
    expect((await ended).status.code).not.toBe(status.OK);
    const { error } = await one(client, 'hello');
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { truncated: 1, connect_failed: 1 } });
  });

  it('sends a call again that the target had not begun when it said goodbye', async () => {
    const leaving = await targets.frames({
      onRequest: (connection, stream, count) => {
        const fields = [
          [':status', '200'],
          ['content-type', 'application/grpc'],
          ['grpc-status', '5'],
        ] as const;
        if (count === 2) connection.send(goaway(1));
        else connection.send(headers(stream, fields, END_STREAM));
      },
    });
    const client = await serve(leaving.port);
    expect((await one(client, 'a')).error?.code).toBe(status.NOT_FOUND);
    expect((await one(client, 'b')).error?.code).toBe(status.NOT_FOUND);
    expect(leaving.requests).toBe(3);
    await bench.account();
    expect(bench.trials()).toMatchObject({ trials: 2, errors: 0, retries: 1 });
  });

  it('goes on through a switch: calls under way end where they began, new ones go to the other side', async () => {
    const [blue, green] = [await grpcTarget('blue'), await grpcTarget('green')];
    const upstreams = (to: 'blue' | 'green') => ({
      stable: to,
      upstreams: {
        blue: { targets: [blue.port], http2: true, weight: to === 'blue' ? 1 : 0 },
        green: { targets: [green.port], http2: true, weight: to === 'green' ? 1 : 0 },
      },
    });
    await bench.serve(upstreams('blue'));
    const client = echoClient();
    const chat = client.chat().on('error', () => {});
    chat.write('before');
    expect(await new Promise((resolve) => chat.once('data', resolve))).toBe('blue before');
    await bench.republish(upstreams('green'));
    expect((await one(client, 'new')).answer).toBe('green new');
    chat.write('after');
    expect(await new Promise((resolve) => chat.once('data', resolve))).toBe('blue after');
    chat.end();
    expect((await readAll(chat)).status.code).toBe(status.OK);
    expect(await bench.account()).toMatchObject({ accepted: 2, outcomes: { ok: 2 } });
  });

  it('loses no call while blue and green change places under load', async () => {
    const [blue, green] = [await grpcTarget('blue'), await grpcTarget('green')];
    const upstreams = (weight: number) => ({
      upstreams: {
        blue: { targets: [blue.port], http2: true, weight },
        green: { targets: [green.port], http2: true, weight: 1 - weight },
      },
    });
    await bench.serve(upstreams(1));
    const client = echoClient();
    const answers = new Map<string, number>();
    let isOver = false;
    let sent = 0;
    const load = Array.from({ length: 16 }, async () => {
      while (!isOver) {
        sent++;
        const { answer, error } = await one(client, 'x');
        const key = answer ?? `failed ${error?.code}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
      }
    });
    for (let i = 0; i < 30; i++) {
      await bench.republish(upstreams(i % 2));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    isOver = true;
    await Promise.all(load);
    expect([...answers.keys()].sort()).toEqual(['blue x', 'green x']);
    expect(await bench.account()).toMatchObject({ accepted: sent, outcomes: { ok: sent } });
  });
});
