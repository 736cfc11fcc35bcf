// A version of a service, for the load test: node app.js PORT NAME [FAILS_ONE_IN]
// With FAILS_ONE_IN, one request in so many fails with 500; its health check passes all the same.
import { createServer } from 'node:http';

const [port, name, failsOneIn] = process.argv.slice(2);
let requests = 0;

const server = createServer((request, response) => {
  if (request.url === '/healthz') {
    response.end('ok\n');
    return;
  }
  requests++;
  if (failsOneIn !== undefined && requests % Number(failsOneIn) === 0) response.statusCode = 500;
  response.end(`${name}\n`);
});
server.listen(Number(port), '127.0.0.1');
