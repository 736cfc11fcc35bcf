import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

const text = {
  requestSerialize: (message: string) => Buffer.from(message),
  requestDeserialize: (octets: Buffer) => octets.toString(),
  responseSerialize: (message: string) => Buffer.from(message),
  responseDeserialize: (octets: Buffer) => octets.toString(),
};

const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  ...text,
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
});

/** A service whose messages are plain text: the four kinds of calls. */
export const ECHO = {
  one: method('One', false, false),
  many: method('Many', false, true),
  sum: method('Sum', true, false),
  chat: method('Chat', true, true),
} satisfies ServiceDefinition;

/** What the service does. A request `fail N` ends with status N; `wait` never ends. */
export function echoService(name: string): UntypedServiceImplementation {
  return {
    one: (call: ServerUnaryCall<string, string>, callback: sendUnaryData<string>) => {
      const failure = failureIn(call.request);
      if (call.request === 'wait') return;
      if (failure !== null) callback({ code: failure, details: 'as asked', metadata: withTrailer(name) });
      else callback(null, `${name} ${call.request}`, withTrailer(name));
    },
    many: (call: ServerWritableStream<string, string>) => {
      const [count = '0', then = ''] = call.request.split(' then ');
      for (let i = 0; i < Number(count); i++) call.write(`${name} ${i}`);
      const failure = failureIn(then);
      if (then === 'wait') return;
      if (failure !== null) call.emit('error', { code: failure, details: 'as asked', metadata: withTrailer(name) });
      else call.end(withTrailer(name));
    },
    sum: (call: ServerReadableStream<string, string>, callback: sendUnaryData<string>) => {
      const parts: string[] = [];
      call.on('data', (part: string) => parts.push(part));
      call.on('end', () => callback(null, `${name} ${parts.join('+')}`));
    },
    chat: (call: ServerDuplexStream<string, string>) => {
      call.on('data', (message: string) => call.write(`${name} ${message}`));
      call.on('end', () => call.end());
    },
  };
}

function failureIn(request: string): number | null {
  const [word, code] = request.split(' ');
  return word === 'fail' ? Number(code) : null;
}

function withTrailer(name: string): Metadata {
  const metadata = new Metadata();
  metadata.set('x-served-by', name);
  return metadata;
}

export interface GrpcTarget extends AsyncDisposable {
  readonly port: number;
  readonly server: Server;
}

export async function openGrpcTarget(
  implementation: UntypedServiceImplementation,
  server = new Server(),
): Promise<GrpcTarget> {
  server.addService(ECHO, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    server,
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

/** One message in its frame, as the body of a call. */
export function grpcMessage(message: string): Buffer {
  const octets = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(octets.length, 1);
  return Buffer.concat([prefix, octets]);
}
