// Two versions of a service: blue on port 3001, green on port 4001. Other ports: node versions.js BLUE GREEN
// GET /break makes the version that serves it fail every request from then on, until GET /mend.
import { createServer } from 'node:http';

function start(name, port) {
  let broken = false;
  const server = createServer((request, response) => {
    if (request.url === '/break') broken = true;
    if (request.url === '/mend') broken = false;
    // Its health checks pass all the same: that is what a rollout's guard is for.
    if (broken && request.url !== '/healthz') response.statusCode = 500;
    response.end(`${name}\n`);
  });
  server.on('error', (error) => console.error(`${name}: ${error.message}`));
  server.listen(port, '127.0.0.1', () => console.log(`${name} on http://127.0.0.1:${server.address().port}`));
}

const [blue = 3001, green = 4001] = process.argv.slice(2).map(Number);
start('blue', blue);
start('green', green);
