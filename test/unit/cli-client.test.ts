import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type AdminServer, adminServer, cli, json, overviewOf, problem, serviceOf } from '../support/cli.ts';

describe('the admin endpoint as the command-line tool sees it', () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });

  async function serving(...given: Parameters<typeof adminServer>): Promise<AdminServer> {
    const server = await adminServer(...given);
    open.push(() => server.close());
    return server;
  }

  async function directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'tealgate-cli-'));
    open.push(() => rm(path, { recursive: true }));
    return path;
  }

  test('takes the address and the token from the environment', async () => {
    const server = await serving((_call, response) => json(response, overviewOf(serviceOf())));
    const env = { TEALGATE_ADMIN: server.url, TEALGATE_TOKEN: 'secret' };
    expect((await cli(['status'], { env })).code).toBe(0);
    expect(server.calls[0]?.headers.authorization).toBe('Bearer secret');
  });

  test('prefers --admin and --token to the environment, wherever they stand', async () => {
    const server = await serving((_call, response) => json(response, overviewOf(serviceOf())));
    const env = { TEALGATE_ADMIN: 'http://127.0.0.1:1', TEALGATE_TOKEN: 'other' };
    expect((await cli(['--admin', server.url, 'status', '--token', 'secret'], { env })).code).toBe(0);
    expect(server.calls[0]?.headers.authorization).toBe('Bearer secret');
  });

  test('accepts an address without a scheme and reads the token from a file', async () => {
    const server = await serving((_call, response) => json(response, overviewOf(serviceOf())));
    const file = join(await directory(), 'token');
    await writeFile(file, 'secret\n');
    expect((await cli(['status', '--admin', server.url.slice(7), '--token-file', file])).code).toBe(0);
    expect(server.calls[0]?.headers.authorization).toBe('Bearer secret');
  });

  test('takes an empty variable for none, and no line feed at the end of a token', async () => {
    const server = await serving((_call, response) => json(response, overviewOf(serviceOf())));
    const env = { TEALGATE_ADMIN: '', TEALGATE_TOKEN: 'secret\n' };
    expect((await cli(['status', '--admin', server.url], { env })).code).toBe(0);
    expect(server.calls[0]?.headers.authorization).toBe('Bearer secret');
    expect((await cli(['healthcheck'], { env })).stderr).not.toContain('not an address');
  });

  test.each(['two words', 'tok€n', 'line\nbreak'])(
    'exits 2 for a token that no gate can have, without telling it',
    async (token) => {
      const { code, stderr } = await cli(['status'], { env: { TEALGATE_TOKEN: token } });
      expect(code).toBe(2);
      expect(stderr).toContain('TEALGATE_TOKEN: the token has');
      expect(stderr).not.toContain(token);
    },
  );

  test.each(['http://127.0.0.1:9901/?x=1', 'http://127.0.0.1:9901#top', 'unix:'])('exits 2 for %s', async (address) => {
    const { code, stderr } = await cli(['healthcheck', '--admin', address]);
    expect(code).toBe(2);
    expect(stderr).toContain('not an address');
  });

  test('keeps credentials in an address to itself', async () => {
    const server = await serving(() => undefined);
    await server.close();
    const { code, stderr } = await cli(['status', '--admin', server.url.replace('//', '//user:hunter2@')]);
    expect(code).toBe(5);
    expect(stderr).not.toContain('hunter2');
  });

  test('speaks over a unix socket', async () => {
    const socket = join(await directory(), 'admin.sock');
    const server = await serving((_call, response) => json(response, overviewOf(serviceOf())), socket);
    expect((await cli(['status', '--admin', server.url])).code).toBe(0);
    expect(server.calls[0]?.path).toBe('/v1/services');
  });

  test('exits 5 when nothing listens there, and says what to do', async () => {
    const server = await serving(() => undefined);
    await server.close();
    const { code, stderr } = await cli(['status', '--admin', server.url]);
    expect(code).toBe(5);
    expect(stderr).toContain(`cannot reach the admin endpoint ${server.url} (ECONNREFUSED)`);
    expect(stderr).toContain('next:  tealgate run --config FILE');
  });

  test('exits 5 when something else answers there', async () => {
    const server = await serving((_call, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<h1>hello</h1>');
    });
    const { code, stderr } = await cli(['status', '--admin', server.url]);
    expect(code).toBe(5);
    expect(stderr).toContain('answered with text/html: not an admin endpoint of Tealgate');
  });

  test.each([
    [401, 'unauthorized', 2, 'give a token by --token-file FILE or TEALGATE_TOKEN'],
    [403, 'forbidden', 2, 'a token whose role is operator'],
    [400, 'bad_request', 2, 'tealgate weights --help'],
    [409, 'conflict', 1, 'rollout promote shop or rollout abort shop'],
    [412, 'precondition_failed', 1, 'tealgate status shop shows the current version'],
    [409, 'refused_by_gate', 4, 'tealgate rollout retry shop'],
    [503, 'unavailable', 5, 'tealgate healthcheck'],
    [504, 'timeout', 3, 'tealgate status shop --watch'],
    [500, 'internal', 1, null],
  ])('turns %i %s into exit code %i and the next command', async (status, code, exit, hint) => {
    const server = await serving((_call, response) => problem(response, status, code, 'it is not possible now'));
    const result = await cli(['weights', 'shop', 'green=5', '--admin', server.url]);
    expect(result.code).toBe(exit);
    expect(result.stderr).toContain('error: it is not possible now');
    if (hint === null) expect(result.stderr).not.toContain('next:');
    else expect(result.stderr).toContain(hint);
  });

  test('shows every problem that an answer lists', async () => {
    const server = await serving((_call, response) =>
      json(response, { detail: 'the body is not valid: a', code: 'bad_request', problems: ['a', 'b'] }, 400),
    );
    const { stderr } = await cli(['weights', 'shop', 'green=5', '--admin', server.url]);
    expect(stderr).toContain('the body is not valid: a\nb\n');
  });

  test('names the service that was meant when there is none of that name', async () => {
    const server = await serving((call, response) => {
      if (call.path === '/v1/services') json(response, overviewOf(serviceOf()));
      else problem(response, 404, 'not_found', 'no service shp');
    });
    const { code, stderr } = await cli(['weights', 'shp', 'green=5', '--admin', server.url]);
    expect(code).toBe(2);
    expect(stderr).toContain('next:  did you mean shop? tealgate weights shop');
  });

  test('keeps terminal control characters of an answer off the terminal', async () => {
    const server = await serving((_call, response) => problem(response, 409, 'conflict', 'a\u001b[2Jb'));
    const { stderr } = await cli(['weights', 'shop', 'green=5', '--admin', server.url]);
    expect(stderr).toContain('a\ufffd[2Jb');
  });
});
