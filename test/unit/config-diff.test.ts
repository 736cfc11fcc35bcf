import { describe, expect, it } from 'vitest';
import { describeChanges } from '../../src/config/diff.ts';
import { accepted, service, top, upstreams } from '../support/config-text.ts';

const changes = (before: string, after: string) => describeChanges(accepted(before), accepted(after));
const TWO = '{blue: {weight: 100, targets: [http://a]}, green: {weight: 0, targets: [http://b]}}';

describe('what a reload changes, in words', () => {
  it('is nothing when only the writing differs', () => {
    expect(changes(service('drain: {timeout: 30s}'), `# the same\n${service('drain: {timeout: 0m30s}')}`)).toEqual([]);
  });

  it.each<[string, string, readonly string[]]>([
    [
      upstreams(TWO),
      upstreams(TWO.replace('100', '95').replace(': 0', ': 5')),
      ['service shop: upstream blue: weight 100 → 95', 'service shop: upstream green: weight 0 → 5'],
    ],
    [
      upstreams(TWO),
      upstreams(TWO.replace('http://b', 'http://b, http://c:81')),
      ['service shop: upstream green: target http://c:81 added'],
    ],
    [
      upstreams(TWO),
      upstreams(TWO.replace('green', 'teal')),
      ['service shop: upstream green removed', 'service shop: upstream teal added'],
    ],
    [
      top('  api: {hosts: [api.x], upstreams: {v1: {weight: 1, targets: [http://a]}}}'),
      top(''),
      ['service api removed'],
    ],
    [
      top('  api: {hosts: [api.x], upstreams: {v1: {weight: 1, targets: [http://a]}}}'),
      top(
        '  api: {hosts: [api.x], upstreams: {v1: {weight: 1, targets: [http://a]}}}\ngroups: {all: {services: [shop, api]}}',
      ),
      ['group all added'],
    ],
    [
      service('rollout: {deadline: 4h}'),
      service('rollout: {onInconclusive: pause, extend: 5m, keepWarm: 1h, rollback: {ramp: 30s}, onNoTraffic: hold}'),
      [
        'service shop: rollout: on inconclusive advance → pause',
        'service shop: rollout: extend 0s → 5m',
        'service shop: rollout: on no traffic advance → hold',
        'service shop: rollout: deadline 4h → none',
        'service shop: rollout: keep warm 0s → 1h',
        'service shop: rollout: ramp of a rollback 0s → 30s',
      ],
    ],
    [
      service(''),
      service('stable: blue\nhosts: [a.x]\npaths: [/, /b]'),
      ['service shop: host a.x added', 'service shop: path /b added'],
    ],
    [
      service(''),
      service('health: {path: /up, status: 2xx}'),
      ['service shop: health none → /up (every 2s, timeout 1s, grace 0s, rise 2, fall 3, status 200-299)'],
    ],
    [
      upstreams('{blue: {weight: 1, targets: [h2c://a]}}, health: {grpc: {}}'),
      upstreams('{blue: {weight: 1, targets: [h2c://a]}}, health: {grpc: {service: shop.v1.Cart}}'),
      [
        'service shop: health gRPC (every 2s, timeout 1s, grace 0s, rise 2, fall 3) → gRPC shop.v1.Cart (every 2s, timeout 1s, grace 0s, rise 2, fall 3)',
      ],
    ],
    [
      service('pins: ip'),
      service('pins: {by: cookie, maxAge: 1h}'),
      ['service shop: pins by ip → by cookie tealgate_pin for 1h'],
    ],
    [
      service(''),
      service('outliers: {share: none, dryRun: true}'),
      [
        'service shop: outliers 5 in a row or 85% of 50 within 10s, out for 30s to 5m, at most 50%, panic below 50% → 5 in a row within 10s, out for 30s to 5m, at most 50%, panic below 50%, dry run',
      ],
    ],
    [
      service(''),
      service(
        'retries: {attempts: 0, budget: 10%}\nslowStart: 10s\nlimits: {inFlightPerTarget: 50, queueTimeout: 2s}\nexpose: true\ntimeouts: {idle: 1m30s}',
      ),
      [
        'service shop: idle timeout 4s → 1m30s',
        'service shop: retry attempts 2 → 0',
        'service shop: retry budget 20% → 10%',
        'service shop: in-flight limit none → 50',
        'service shop: queue timeout 1s → 2s',
        'service shop: slow start 0s → 10s',
        'service shop: expose off → on',
      ],
    ],
    [
      service(''),
      service('rollout: {strategy: blue-green, watch: 1m, guards: none}'),
      [
        'service shop: rollout: strategy canary → blue-green',
        'service shop: rollout: stages 5 for 30m, 25 for 10m, 50 for 10m, 100 → 100 for 1m',
        'service shop: rollout: guards error rate up to 1% at confidence 99% → none',
      ],
    ],
    [
      service('rollout: {smoke: [{path: /up}]}'),
      service('rollout: {smoke: [{path: /up, timeout: 1s}]}'),
      ['service shop: rollout: smoke requests changed'],
    ],
    [
      top('listeners: [{address: "127.0.0.1:80"}, {address: ":81"}]'),
      top(
        'listeners: [{address: "127.0.0.1:80", limits: {body: 1MiB}, trustedProxies: [10.0.0.0/8]}, {address: ":82"}]',
      ),
      [
        'listener 127.0.0.1:80: trusted proxy 10.0.0.0/8 added',
        'listener 127.0.0.1:80: body limit none → 1MiB',
        'listener 0.0.0.0:81 removed',
        'listener 0.0.0.0:82 added',
      ],
    ],
    [
      top('store: {path: a.db}\nworkers: 1'),
      top('store: {path: ":memory:"}\nworkers: 2\nadmin: {address: "unix:/run/gate.sock"}'),
      [
        'admin: address 127.0.0.1:9901 → unix:/run/gate.sock (needs a restart)',
        'store: path /etc/tealgate/a.db → :memory: (needs a restart)',
        'workers 1 → 2 (needs a restart)',
      ],
    ],
    [
      top(''),
      top('accessLog: false\nshutdown: {readinessDelay: 5s, drainTimeout: 1m}'),
      ['access log on → off', 'shutdown: readiness delay 0s → 5s', 'shutdown: drain timeout 30s → 1m'],
    ],
  ])('%#', (before, after, lines) => {
    expect(changes(before, after)).toEqual(lines);
  });

  it('says that a token changed, never what it is', () => {
    const admin = (token: string, role: string) => top(`admin: {tokens: [{name: ci, token: ${token}, role: ${role}}]}`);
    const lines = changes(admin('first-secret-of-ci', 'viewer'), admin('second-secret-of-ci', 'operator'));
    expect(lines).toEqual(['admin: token ci: role viewer → operator', 'admin: token ci: the secret changed']);
  });
});
