// Two versions of a gRPC service: blue on port 50051, green on port 50052. Needs @grpc/grpc-js.
//   node greeter.js [BLUE GREEN]           starts both, on these ports
//   node greeter.js call ADDRESS [NAME]    calls one, or the gate before them, and prints the answer
// A call for the name `trouble` fails with INTERNAL. There is no .proto, to keep it short: messages are plain text.
import { credentials, makeGenericClientConstructor, Server, ServerCredentials, status } from '@grpc/grpc-js';

const text = (message) => Buffer.from(message);
const parse = (octets) => octets.toString();
const GREETER = {
  hello: {
    path: '/greeter.Greeter/Hello',
    requestStream: false,
    responseStream: false,
    requestSerialize: text,
    requestDeserialize: parse,
    responseSerialize: text,
    responseDeserialize: parse,
  },
};

function start(version, port) {
  const server = new Server();
  server.addService(GREETER, {
    hello: ({ request: name }, answer) => {
      if (name === 'trouble') answer({ code: status.INTERNAL, details: `${version} has trouble` });
      else answer(null, `hello ${name}, says ${version}`);
    },
  });
  server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
    if (error === null) console.log(`${version} on h2c://127.0.0.1:${bound}`);
    else console.error(`${version}: ${error.message}`);
  });
}

function call(address, name) {
  const Greeter = makeGenericClientConstructor(GREETER, 'Greeter');
  const client = new Greeter(address, credentials.createInsecure());
  client.hello(name, (error, answer) => {
    if (error === null) console.log(answer);
    else console.error(`${status[error.code]}: ${error.details}`);
    process.exitCode = error === null ? 0 : 1;
    client.close();
  });
}

const [first, ...rest] = process.argv.slice(2);
if (first === 'call') {
  const [address = '127.0.0.1:8080', name = 'world'] = rest;
  call(address, name);
} else {
  start('blue', Number(first ?? 50051));
  start('green', Number(rest[0] ?? 50052));
}
