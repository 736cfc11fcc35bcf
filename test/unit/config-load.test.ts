// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references look like this
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: terminals obey them
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { formatProblem, loadConfig, parseConfig } from '../../src/config/load.ts';
import { OUTLIERS } from '../support/app-fixtures.ts';
import { accepted, refused, SERVICE, service, shown, top, upstreams, warned } from '../support/config-text.ts';
import { ERROR_RATE, LATENCY } from '../support/guards.ts';

const directory = mkdtempSync(join(tmpdir(), 'tealgate-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('what a configuration becomes', () => {
  it('fills in every default', () => {
    expect(accepted(SERVICE)).toEqual({
      listeners: [
        {
          host: '127.0.0.1',
          port: 8080,
          trustedProxies: [],
          proxyProtocol: 'off',
          timeouts: { headMs: 10_000, bodyMs: 30_000, keepAliveMs: 65_000 },
          limits: {
            headBytes: 16_384,
            fields: 100,
            bodyBytes: Number.POSITIVE_INFINITY,
            connections: 10_000,
            streams: 100,
          },
          tls: null,
          http2: false,
        },
      ],
      admin: { address: { kind: 'tcp', host: '127.0.0.1', port: 9901 }, tokens: [], hosts: [], externalUrl: null },
      prometheus: {},
      webhooks: {},
      notifications: [],
      store: { path: '/etc/tealgate/tealgate.db' },
      workers: 1,
      accessLog: true,
      groups: {},
      shutdown: { readinessDelayMs: 0, drainTimeoutMs: 30_000, closeSpreadMs: 10_000 },
      services: {
        shop: {
          name: 'shop',
          hosts: [],
          paths: ['/'],
          upstreams: { blue: { weight: 1, targets: ['http://127.0.0.1:3001'] } },
          stable: 'blue',
          health: null,
          pins: { by: 'none' },
          drain: { timeoutMs: 30_000 },
          timeouts: { connectMs: 2_000, responseMs: 30_000, idleMs: 4_000 },
          retries: { attempts: 2, budget: 0.2 },
          outliers: OUTLIERS,
          slowStartMs: 0,
          limits: { inFlightPerTarget: null, queue: 100, queueTimeoutMs: 1_000 },
          tls: { ca: null, cert: null, key: null, serverName: null, verify: true },
          expose: false,
          business: null,
          preview: null,
          rollout: {
            strategy: 'canary',
            smoke: [],
            stages: [
              { weight: 5, holdMs: 1_800_000 },
              { weight: 25, holdMs: 600_000 },
              { weight: 50, holdMs: 600_000 },
              { weight: 100, holdMs: 0 },
            ],
            guards: [ERROR_RATE],
          },
        },
      },
    });
  });

  it('fills in the defaults of health checks and smoke requests', () => {
    const { health, rollout } =
      accepted(service('health: {path: /up}\nrollout: {smoke: [{path: /}]}')).services.shop ?? {};
    expect(health).toEqual({
      ask: { kind: 'http', path: '/up', status: { min: 200, max: 399 } },
      intervalMs: 2_000,
      timeoutMs: 1_000,
      rise: 2,
      fall: 3,
      graceMs: 0,
    });
    expect(rollout?.smoke).toEqual([
      { method: 'GET', path: '/', headers: {}, expect: { status: 200, bodyIncludes: null }, timeoutMs: 5_000 },
    ]);
  });

  it.each([
    ['none', null],
    ['{}', OUTLIERS],
    ['{share: none, dryRun: true}', { ...OUTLIERS, share: null, dryRun: true }],
    [
      '{consecutive: 3, share: 50%, minRequests: 10, window: 1m, ejection: 5s, maxEjection: 1m, maxEjected: 100%, panic: 0%}',
      {
        consecutive: 3,
        share: 0.5,
        minRequests: 10,
        windowMs: 60_000,
        ejectionMs: 5_000,
        maxEjectionMs: 60_000,
        maxEjected: 1,
        panic: 0,
        dryRun: false,
      },
    ],
  ])('reads outliers: %s', (text, outliers) => {
    expect(accepted(service(`outliers: ${text}`)).services.shop?.outliers).toEqual(outliers);
  });

  it.each([
    ['none', { by: 'none' }],
    ['cookie', { by: 'cookie', name: 'tealgate_pin', maxAgeS: 0 }],
    ['ip', { by: 'ip' }],
    ['{by: none}', { by: 'none' }],
    ['{by: ip}', { by: 'ip' }],
    ['{by: cookie, name: side, maxAge: 1h}', { by: 'cookie', name: 'side', maxAgeS: 3600 }],
    ['{by: {header: X-User-Id}}', { by: 'header', header: 'x-user-id' }],
    ['{by: "header: X-User-Id"}', { by: 'header', header: 'x-user-id' }],
    ['{by: header, header: X-User-Id}', { by: 'header', header: 'x-user-id' }],
  ])('reads pins: %s', (text, pins) => {
    expect(accepted(service(`pins: ${text}`)).services.shop?.pins).toEqual(pins);
  });

  it.each([
    ['{strategy: blue-green}', [{ weight: 100, holdMs: 0 }]],
    ['{strategy: blue-green, watch: 30s}', [{ weight: 100, holdMs: 30_000 }]],
    [
      '{stages: [{weight: 1, hold: 1m30s}, {weight: 100}]}',
      [
        { weight: 1, holdMs: 90_000 },
        { weight: 100, holdMs: 0 },
      ],
    ],
  ])('reads the stages of rollout: %s', (text, stages) => {
    expect(accepted(service(`rollout: ${text}`)).services.shop?.rollout.stages).toEqual(stages);
  });

  it.each([
    ['none', []],
    ['{errorRate: none}', []],
    ['{}', [ERROR_RATE]],
    ['{errorRate: {max: 0.5%}}', [{ ...ERROR_RATE, max: 0.005 }]],
    ['{errorRate: {confidence: 95%}}', [{ ...ERROR_RATE, confidence: 0.95 }]],
    ['{errorRate: {kind: errorRate, max: 2%}}', [{ ...ERROR_RATE, max: 0.02 }]],
    ['{checkout: {kind: errorRate, max: 2%}}', [ERROR_RATE, { ...ERROR_RATE, name: 'checkout', max: 0.02 }]],
    ['{errorRate: none, constructor: {kind: latency, max: 500ms}}', [{ ...LATENCY, name: 'constructor' }]],
    [
      '{errorRate: {versus: stable, ratio: 3, by: client}}',
      [
        {
          name: 'errorRate',
          kind: 'errorRate',
          versus: 'stable',
          ratio: 3,
          margin: 0.001,
          confidence: 0.99,
          by: { client: 1, perMs: 60_000 },
        },
      ],
    ],
    [
      '{errorRate: {match: {paths: [/pay/], methods: [POST], errors: [5xx, 429, 400-403], ignore: [404], grpc: [UNAVAILABLE, 8]}}}',
      [
        {
          ...ERROR_RATE,
          match: {
            paths: ['/pay'],
            methods: ['POST'],
            errors: [
              [500, 599],
              [429, 429],
              [400, 403],
            ],
            ignore: [[404, 404]],
            grpc: [14, 8],
          },
        },
      ],
    ],
    [
      '{errorRate: none, collateral: {margin: 1%}, orders: {kind: business, event: order}}',
      [
        { name: 'collateral', kind: 'collateral', ratio: 2, margin: 0.01, confidence: 0.99 },
        { name: 'orders', kind: 'business', event: 'order', minRatio: 0.9, confidence: 0.99 },
      ],
    ],
  ])('reads guards: %s', (text, guards) => {
    expect(accepted(service(`rollout: {guards: ${text}}`)).services.shop?.rollout.guards).toEqual(guards);
  });

  it.each([
    ['200', 200, 200],
    ['"204"', 204, 204],
    ['2xx', 200, 299],
    ['200-404', 200, 404],
  ])('reads the health status %s', (text, min, max) => {
    const { health } = accepted(service(`health: {path: /, status: ${text}}`)).services.shop ?? {};
    expect(health?.ask).toEqual({ kind: 'http', path: '/', status: { min, max } });
  });

  it.each([
    ['{}', ''],
    ['{service: shop.v1.Cart}', 'shop.v1.Cart'],
  ])('reads a health check by gRPC: %s', (text, asked) => {
    const targets = 'targets: [h2c://a, h2://b]';
    const { services } = accepted(upstreams(`{blue: {weight: 1, ${targets}}}, health: {grpc: ${text}, rise: 1}`));
    expect(services.shop?.health).toMatchObject({ ask: { kind: 'grpc', service: asked }, rise: 1, fall: 3 });
  });

  it.each([
    ['127.0.0.1:0', '127.0.0.1', 0],
    [':8443', '0.0.0.0', 8443],
    ['"[::1]:80"', '::1', 80],
    ['LOCALHOST:80', 'localhost', 80],
  ])('reads the address %s', (text, host, port) => {
    expect(accepted(top(`listeners: [{address: ${text}}]`)).listeners[0]).toMatchObject({ host, port });
  });

  it('gives each target one spelling', () => {
    const text =
      'services: {shop: {upstreams: {blue: {weight: 1, targets: ["http://App:80/", "HTTP://app:8080", "http://[0:0::1]"]}}}}';
    expect(accepted(text).services.shop?.upstreams.blue?.targets).toEqual([
      'http://app:80',
      'http://app:8080',
      'http://[::1]:80',
    ]);
  });

  it('takes the heaviest upstream for stable, and the first of equals', () => {
    const upstreams = (a: number, b: number) =>
      `services: {s: {upstreams: {a: {weight: ${a}, targets: [http://a]}, b: {weight: ${b}, targets: [http://b]}}}}`;
    expect(accepted(upstreams(1, 2)).services.s?.stable).toBe('b');
    expect(accepted(upstreams(1, 1)).services.s?.stable).toBe('a');
  });

  it('allows an upstream without targets while its weight is 0', () => {
    const text = 'services: {s: {upstreams: {a: {weight: 1, targets: [http://a]}, b: {weight: 0, targets: []}}}}';
    expect(accepted(text).services.s?.upstreams.b).toEqual({ weight: 0, targets: [] });
  });

  it('takes relative paths from the directory of the file', () => {
    expect(accepted(top('store: {path: state/gate.db}')).store.path).toBe('/etc/tealgate/state/gate.db');
    expect(accepted(top('store: {path: ":memory:"}')).store.path).toBe(':memory:');
    expect(accepted(top('admin: {address: "unix:gate.sock"}')).admin.address).toEqual({
      kind: 'unix',
      path: '/etc/tealgate/gate.sock',
    });
  });

  it('makes `auto` the number of cores', () => {
    expect(accepted(top('workers: auto')).workers).toBe(availableParallelism());
  });

  it('lets several listeners take free ports', () => {
    expect(accepted(top('listeners: [{address: "127.0.0.1:0"}, {address: "127.0.0.1:0"}]')).listeners).toHaveLength(2);
  });

  it('is not misled by names that every object has', () => {
    const { services } = accepted('services: {constructor: {upstreams: {toString: {weight: 1, targets: [http://a]}}}}');
    expect(Object.keys(services)).toEqual(['constructor']);
    expect(Reflect.get(services, 'constructor')).toMatchObject({ stable: 'toString' });
    expect(Reflect.get(services, 'hasOwnProperty')).toBeUndefined();
  });
});

describe('references', () => {
  const env = { SIDE: 'blue', EMPTY: '', W: '7', LOG: 'false', TRICK: 'x, y: z # "${SIDE}"' };

  it.each([
    ['"${SIDE}"', 'blue'],
    ['${SIDE}', 'blue'],
    ['"b${X:-lu}e"', 'blue'],
    ['"${EMPTY:-blue}"', 'blue'],
    ['"${SIDE:?needed}"', 'blue'],
    ['"${X:-${}"', null],
  ])('replaces stable: %s', (text, stable) => {
    if (stable === null) expect(refused(service(`stable: ${text}`), { env })).toHaveLength(1);
    else expect(accepted(service(`stable: ${text}`), env).services.shop?.stable).toBe(stable);
  });

  it('reads whole numbers and booleans from them, and leaves text that looks like a number alone', () => {
    const config = accepted(
      top('workers: "${W}"\naccessLog: "${LOG}"\nadmin: {tokens: [{name: "${W}", token: "${W}", role: viewer}]}'),
      env,
    );
    expect(config.workers).toBe(7);
    expect(config.accessLog).toBe(false);
    expect(config.admin.tokens).toEqual([{ name: '7', token: '7', role: 'viewer' }]);
    expect(
      accepted('services: {s: {upstreams: {a: {weight: "${W}", targets: [http://a]}}}}', env).services.s?.upstreams.a
        ?.weight,
    ).toBe(7);
  });

  it('puts values in as they are: no YAML, no further reference', () => {
    const { rollout } =
      accepted(service('rollout: {smoke: [{path: /, expect: {body: "${TRICK} $$ $5 a$"}}]}'), env).services.shop ?? {};
    expect(rollout?.smoke[0]?.expect.bodyIncludes).toBe('x, y: z # "${SIDE}" $ $5 a$');
  });

  it('leaves keys alone', () => {
    expect(refused(top('"${SIDE}": 1'), { env })[0]).toContain('is not a known key');
  });

  it('reads files relative to the configuration, without their last line break, and names them', () => {
    writeFileSync(join(directory, 'secret'), 'a-secret-with-a-${SIDE}\n');
    const path = join(directory, 'with-file.yaml');
    writeFileSync(path, top('admin: {tokens: [{name: ci, token: "${file:secret}", role: operator}]}'));
    const result = loadConfig(path, {});
    expect(result.ok && result.config.admin.tokens[0]?.token).toBe('a-secret-with-a-${SIDE}');
    expect(result.files).toEqual([join(directory, 'secret')]);
  });

  it('names files that are missing as well, so that their arrival is seen', () => {
    const result = parseConfig(service('stable: "${file:later}"'), join(directory, 'x.yaml'), {});
    expect(result.files).toEqual([join(directory, 'later')]);
  });
});

describe('warnings', () => {
  it('warns of a token that could be guessed', () => {
    expect(warned(top('admin: {tokens: [{name: ci, token: short, role: viewer}]}'))).toEqual([
      '5:36 admin.tokens[0].token: is short enough to be guessed; use 16 characters or more',
    ]);
  });

  it('warns of a last stage below 100', () => {
    expect(warned(service('rollout: {stages: [{weight: 5}]}'))).toEqual([
      '5:33 services.shop.rollout.stages[0].weight: the last stage is 5, and promotion to 100 follows it at once; add {weight: 100} to say so',
    ]);
  });
});

describe('files', () => {
  const write = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const problemOf = (path: string): string => {
    const result = loadConfig(path, {});
    if (result.ok) throw new Error('was accepted');
    return result.problems.map(formatProblem).join('\n').replaceAll(directory, '');
  };

  it.each<[string, () => string, string]>([
    ['is missing', () => join(directory, 'missing.yaml'), '/missing.yaml:1:1 does not exist; check the path'],
    ['is a directory', () => directory, ':1:1 is a directory; name a file'],
    ['is a device', () => '/dev/null', '/dev/null:1:1 is not a regular file; name one that can be read again'],
    [
      'lies under a file',
      () => join(write('plain', ''), 'x'),
      '/plain/x:1:1 does not exist: a part of the path is not a directory',
    ],
    ['is empty', () => write('empty.yaml', ''), '/empty.yaml:1:1 is empty; a configuration names at least `services`'],
    [
      'is too large',
      () => write('large.yaml', '#'.repeat(1024 * 1024 + 1)),
      '/large.yaml:1:1 is larger than 1024 KiB; make it smaller',
    ],
    [
      'is not UTF-8',
      () => write('latin1.yaml', Buffer.from('# ok\nservices: # caf\xe9\n', 'latin1')),
      '/latin1.yaml:2:16 is not UTF-8 text; save the file as UTF-8\n  services: # caf\ufffd\n                 ^',
    ],
  ])('says so when the file %s', (_, path, message) => {
    expect(problemOf(path())).toBe(message);
  });
});

describe('how a problem is shown', () => {
  it('shows the line with a caret beneath', () => {
    expect(shown(top('workers: 0   # none'))).toBe(
      `f.yaml:5:10 workers: 0 is too small; at least 1\n  workers: 0   # none\n           ^`,
    );
  });

  it('keeps tabs, so that the caret fits', () => {
    expect(shown(top('workers:\t0'))).toBe(
      `f.yaml:5:10 workers: 0 is too small; at least 1\n  workers:\t0\n          \t^`,
    );
  });

  it('shows a part of a long line', () => {
    const lines = shown(top(`store: {path: ${'x'.repeat(500)}, size: 1}`)).split('\n');
    expect(lines[1]?.length).toBeLessThan(170);
    expect(lines[1]?.slice((lines[2]?.length ?? 0) - 1)).toMatch(/^size: 1/);
  });

  it('never shows a token or a password that stands in the file', () => {
    const text = top(
      'admin: {tokens: [{name: a, token: "hunter2hunter2", rol: viewer}, {name: b, token: 1234567}]}\nstore: {token: abcdef, url: "http://me:pa55word@h"}',
    );
    expect(shown(text)).toContain('token: ****************, rol: viewer');
    expect(shown(text)).not.toMatch(/hunter2|1234567|abcdef|pa55word/);
  });

  it('never shows what receivers are asked by: secrets, passwords, and paths of URLs', () => {
    const flow = 'webhooks: {w: {url: "https://hooks.test/T0/hush1", secret: hush2 hush3, timeout: 5}}';
    const basic = 'prometheus: {p: {url: "http://u:hush4@h", basicAuth: {user: a, password: hush5}, tim: 1}}';
    expect(shown(top(flow))).toContain('url: "https://hooks.test/********", secret: ***********, timeout: 5');
    expect(shown(top(basic))).toContain('password: *****}, tim: 1');
    expect(shown(top(`${flow}\n${basic}`))).not.toMatch(/hush/);
    const block = 'webhooks:\n  w:\n    url: https://hooks.test/a b/hush6\n    secret: "whsec_hush7\n    timeout: 5';
    expect(shown(top(block))).not.toMatch(/hush/);
    const plain = 'webhooks:\n  w:\n    url: https://h.test/x\n    secret: whsec_hush8, hush9 {}';
    expect(shown(top(plain))).not.toMatch(/hush/);
  });

  it('writes no control characters to a terminal', () => {
    expect(shown(top('work\u001b[31mers: "\u202e"'))).not.toMatch(/\u001b|\u202e/);
  });
});

describe('arbitrary input', () => {
  it('never throws on arbitrary text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string(), yamlish()), (text) => {
        const result = parseConfig(text, 'f.yaml', {});
        if (!result.ok) for (const problem of result.problems) formatProblem(problem);
        return result.ok || result.problems.length > 0;
      }),
      { numRuns: 1000, seed: 1 },
    );
  });

  it('never throws on arbitrary values at arbitrary keys', () => {
    fc.assert(
      fc.property(documents(), (document) => {
        const result = parseConfig(stringify(document, { aliasDuplicateObjects: false }) ?? '', 'f.yaml', {});
        if (!result.ok)
          for (const problem of result.problems) expect(formatProblem(problem)).toMatch(/^f\.yaml:\d+:\d+ /);
        return result.ok || result.problems.length > 0;
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});

/** Text of the characters that mean something in YAML and in references. */
function yamlish(): fc.Arbitrary<string> {
  const part = fc.constantFrom(
    'services',
    'shop',
    'a',
    ': ',
    ':',
    '- ',
    '\n',
    '  ',
    '{',
    '}',
    '[',
    ']',
    ', ',
    '"',
    "'",
    '${',
    '$',
    '}',
    '&a',
    '*a',
    '!t',
    '|',
    '>',
    '#',
    '---',
    '?',
    '%',
    '\t',
    '0',
    '\r\n',
  );
  return fc.array(part, { maxLength: 40 }).map((parts) => parts.join(''));
}

/** Mostly well-formed configurations with anything anywhere. */
function documents(): fc.Arbitrary<unknown> {
  const key = fc.constantFrom(
    'address',
    'path',
    'weight',
    'targets',
    'hosts',
    'paths',
    'upstreams',
    'stable',
    'health',
    'pins',
    'by',
    'header',
    'rollout',
    'stages',
    'guards',
    'errorRate',
    'max',
    'timeouts',
    'head',
    'limits',
    'body',
    'tokens',
    'token',
    'toString',
  );
  const leaf = fc.oneof(
    fc.anything({ maxDepth: 1, withDate: false }),
    fc.constantFrom('30s', '1%', 'none', 'http://a:80', '/', '${X}', '${X:-1}', 5, 0, -1),
  );
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 6 },
      leaf,
      fc.dictionary(key, tie('node'), { maxKeys: 4 }),
      fc.array(tie('node'), { maxLength: 3 }),
    ),
  }));
  const part = fc.constantFrom('listeners', 'admin', 'store', 'workers', 'shutdown', 'services');
  return fc.oneof(
    node,
    fc.dictionary(part, node),
    fc.record({ services: fc.dictionary(fc.string(), fc.dictionary(key, node)) }),
  );
}
