import { createServer } from 'node:http';

/** See target-process.ts. Says its port on standard output. */
const [name = ''] = process.argv.slice(2);
const server = createServer((request, response) => {
  if (request.url !== '/hold') response.end(name);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
