import { expect } from 'vitest';
import { parseConfig } from '../../src/config/load.ts';
import { RunningGate } from '../support/command.ts';
import { openGate, openTarget, type TestGate } from '../support/gate.ts';
import { row } from '../support/lab.ts';
import { head } from '../support/message.ts';
import { RawClient } from '../support/raw-client.ts';

const SERVICES = 'services: {shop: {upstreams: {blue: {weight: 1, targets: ["http://127.0.0.1:9"]}}, stable: blue}}\n';

const problemsOf = (text: string): readonly string[] => {
  const loaded = parseConfig(text, 'tealgate.yaml', {});
  return loaded.ok ? [] : loaded.problems.map(({ message }) => message);
};

row(
  'Z01-loopback',
  async () => {
    const loaded = parseConfig(`listeners: [{address: ":8080"}]\n${SERVICES}`, 'tealgate.yaml', {});
    expect(loaded).toMatchObject({ ok: true, config: { admin: { address: { kind: 'tcp', host: '127.0.0.1' } } } });
    expect(problemsOf(`listeners: [{address: ":8080"}]\nadmin: {address: ":9901"}\n${SERVICES}`)).toHaveLength(1);
  },
  'by default',
);

row(
  'Z02-apart',
  async () => {
    await using blue = await openTarget((request, response) => response.end(`blue ${request.url}`));
    await using test = await openGate({
      services: { shop: { upstreams: { blue: { weight: 1, targets: [blue.url] } } } },
    });
    const admin = new URL(test.adminUrl).host;
    for (const [target, host] of [
      ['/v1/services', admin],
      [`http://${admin}/v1/services`, admin],
      [`http://${admin}/v1/services`, 'shop.test'],
      ['/readyz', 'localhost:9901'],
      ['//127.0.0.1/v1/services', admin],
      ['/../v1/services', admin],
    ] as const) {
      const client = await RawClient.connect(Number(new URL(test.url).port));
      client.write(head(`GET ${target} HTTP/1.1`, `Host: ${host}`));
      const answer = await client.readFinal();
      // By the target, or refused: never by the admin endpoint.
      expect(answer.body.bytes.toString(), target).toMatch(/^(blue \/|4\d\d )/);
      client.destroy();
    }
    // And the other way round: what the admin endpoint does not know goes nowhere.
    const lost = await fetch(`${test.adminUrl}/shop`);
    expect(lost.status).toBe(404);
    expect(await lost.text()).not.toContain('blue');
  },
  'from the traffic side',
);

const BAD_TARGETS = [
  'file:///etc/passwd',
  'gopher://127.0.0.1:70',
  'http://user:secret@127.0.0.1:3001',
  'http://169.254.169.254',
  'http://169.254.169.254:80/latest/meta-data',
  'http://[fe80::1]:80',
  'http://[fd00:ec2::254]:80',
  'http://2852039166:80', // 169.254.169.254 as one number
  'http://0xa9fea9fe:80',
  'http://127.0.0.1:3001\r\nX: y',
  'http://127.0.0.1:3001/\n',
  'http://127.0.0.1:3001 ',
  '//127.0.0.1:3001',
  'javascript:alert(1)',
  '',
];

row(
  'Z07-target-urls',
  async () => {
    await using blue = await openTarget('blue');
    await using test = await openGate({
      services: { shop: { upstreams: { blue: { weight: 1, targets: [blue.url] } } } },
    });
    const { host, port } = new URL(test.adminUrl);
    for (const url of [
      ...BAD_TARGETS,
      `http://${host}`,
      `http://localhost:${port}`,
      `http://[::ffff:127.0.0.1]:${port}`,
    ]) {
      const answer = await put(test, url);
      expect(answer.status, `${url}: ${answer.text}`).toBeGreaterThanOrEqual(400);
      expect(answer.status, `${url}: ${answer.text}`).toBeLessThan(500);
      expect(answer.text).not.toContain('secret');
    }
    const targets = test.control.service('shop').upstreams.blue?.targets.map(({ url }) => url);
    expect(targets).toEqual([blue.url]);
  },
  'at run time',
);

row(
  'Z07-target-urls',
  async () => {
    for (const url of BAD_TARGETS) {
      const services = { shop: { upstreams: { blue: { weight: 1, targets: [url] } } } };
      const text = JSON.stringify({ listeners: [{ address: ':8080' }], services });
      expect(problemsOf(text), url).toHaveLength(1);
    }
  },
  'in the file',
);

async function put(test: TestGate, url: string): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`${test.adminUrl}/v1/services/shop/upstreams/blue/targets`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ targets: [url] }),
  });
  return { status: answer.status, text: await answer.text() };
}

row(
  'Z08-secrets',
  async () => {
    const token = 'op-5d1e-secret';
    await using blue = await openTarget((request, response) => {
      if (request.url?.startsWith('/reset')) request.socket.destroy();
      else response.setHeader('set-cookie', 'session=cookie-secret').end('blue');
    });
    await using gate = await RunningGate.start({
      accessLog: true,
      admin: { address: '127.0.0.1:0', tokens: [{ name: 'ci', token, role: 'operator' }] },
      services: {
        shop: { upstreams: { blue: { weight: 1, targets: [blue.url] } }, pins: { by: 'cookie', name: 'pin' } },
      },
    });
    const fields = ['Authorization: Bearer auth-secret', 'Cookie: session=cookie-secret', 'X-Request-Id: {"a":1}'];
    const paths = ['/?token=query-secret', '/reset?key=query-secret', '/%0a%0d?password=query-secret', '/a?secret#c'];
    for (const target of [...paths, '/\u001b[2Jsecret']) {
      const client = await RawClient.connect(Number(new URL(gate.url).port));
      client.write(head(`GET ${target} HTTP/1.1`, 'Host: shop.test', ...fields));
      await client.readFinal();
      client.destroy();
    }
    for (const authorization of [`Bearer ${token}`, `Bearer ${token}x`, 'Basic YTpiYXNpYy1zZWNyZXQ=']) {
      await (await fetch(`${gate.admin}/v1/services?x=query-secret`, { headers: { authorization } })).text();
      await (await fetch(`${gate.admin}/v1/services/%0a%1b[2J`, { headers: { authorization } })).text();
    }
    expect(await gate.end('SIGTERM')).toBe(0);
    // Each line was parsed as it came: nothing that was sent made another line.
    const text = JSON.stringify(gate.log);
    expect(text).not.toMatch(/secret|YTpi|\\u001b/);
    const lines = gate.log.filter(({ event }) => event === 'access').map(({ path }) => path);
    expect(lines).toEqual(['/', '/reset', '/%0a%0d', '', '']);
  },
  'everything that a gate logs',
);

row(
  'Z09-configuration',
  async () => {
    expect(problemsOf(`listeners: [{address: ":8080"}]\nx: &a 1\n${SERVICES}`).join()).toContain('anchor');
    expect(problemsOf(`listeners: [{address: ":8080"}]\nx: *a\n${SERVICES}`)).not.toEqual([]);
    expect(problemsOf(`listeners: [{address: ":8080", adress: 1}]\n${SERVICES}`)).toHaveLength(1);
    const large = `listeners: [{address: ":8080"}]\n# ${'x'.repeat(2 << 20)}\n${SERVICES}`;
    expect(problemsOf(large).join()).toContain('larger than 1024 KiB');
  },
  'size, aliases, unknown keys',
);
