// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references look like this
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GUARD_KINDS } from '../../src/config/guards/guard.ts';
import { refused, service, top, upstreams } from '../support/config-text.ts';

const KINDS = GUARD_KINDS.join(', ');

const directory = mkdtempSync(join(tmpdir(), 'tealgate-refusals-'));
const file = join(directory, 'f.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

describe('what is refused, where and with what mend', () => {
  it.each<[string, string, readonly string[]]>([
    [
      'an unclosed list',
      'services: [1,2\n',
      ['2:1 : is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]'],
    ],
    ['a tab for indentation', 'services:\n\tshop: 1', ['2:1 : tabs cannot indent in YAML; use spaces']],
    [
      'a second document',
      'a: 1\n---\nb: 2\n',
      ['2:1 : a second document begins here; a configuration is one document, remove the `---`'],
    ],
    [
      'a group of services that are not there, or twice',
      top('groups: {release: {services: [shop, shpo, shop]}, one: {services: [shop]}}'),
      [
        '5:37 groups.release.services[1]: there is no service shpo; did you mean shop?',
        '5:43 groups.release.services[2]: shop is there twice; remove one',
        '5:67 groups.one.services: is too short; give at least 2',
      ],
    ],
    ['an unclosed quote', 'services: "x\n', ['2:1 : is not valid YAML: Missing closing "quote']],
    [
      'two keys on one line',
      'services: a: b',
      ['1:11 : is not valid YAML: a second `key:` on one line; put it on a line of its own, or the value in quotes'],
    ],
    [
      'a bare reference inside braces',
      'services: {a: ${X}}',
      ['1:16 : is not valid YAML: Unexpected flow-map-start at node end; inside { } write references in quotes'],
    ],
    ['a key that is there twice', top('workers: 1\nworkers: 2'), ['6:1 workers: is there twice; keep one of them']],
    [
      'an anchor',
      top('workers: &w 2'),
      ['5:13 workers: has an anchor (&w); anchors and aliases are not used here, remove it'],
    ],
    [
      'an alias',
      top('store: &s {path: x}\nshutdown: *s'),
      [
        '5:11 store: has an anchor (&s); anchors and aliases are not used here, remove it',
        '6:11 shutdown: is an alias (*s); write the value out',
      ],
    ],
    [
      'a tag',
      top('workers: !!int "2"'),
      ['5:16 workers: has a tag (tag:yaml.org,2002:int); tags are not used here, remove it'],
    ],
    ['a key that is no key', top('__proto__: {}'), ['5:1 __proto__: is not a name that can be used']],
    ['an older YAML', '%YAML 1.1\n---\nservices: {}', ['1:1 : is not YAML 1.2; remove the %YAML directive']],
    ['nothing but a comment', '# nothing\n', ['1:1 : is empty; a configuration names at least `services`']],
    ['text instead of a map', 'hello', ['1:1 : is text; give a map of keys']],
    ['a list instead of a map', '- a', ['1:1 : is a list; give a map of keys']],
    ['a key without a value', top('store:'), ['5:1 store: is empty; give a map of keys']],
    ['a key that is a list', top('? [a]\n: b'), ['5:3 : is not valid here: a key must be plain text']],
    ['no service', 'services: {}', ['1:11 services: is empty; name at least one service']],
    ['services without a value', 'services:', ['1:1 services: is empty; give a map of names']],
    ['services left out', 'workers: 1', ['1:1 services: is missing; give a map of names']],
    [
      'an unknown key that is nearly known',
      top('worker: 2'),
      ['5:1 worker: is not a known key; did you mean workers?'],
    ],
    [
      'an unknown key',
      top('frobnicate: 2'),
      [
        '5:1 frobnicate: is not a known key; known here: listeners, admin, store, workers, accessLog, shutdown, prometheus, webhooks, notifications, services, groups',
      ],
    ],
    [
      'a merge key',
      top('shutdown: {<<: {drainTimeout: 5s}}'),
      ['5:12 shutdown."<<": is a merge key, which is not used here; write the values out'],
    ],
    [
      'a key that belongs to another part',
      top('outliers: {}'),
      [
        '5:1 outliers: is not a known key; known here: listeners, admin, store, workers, accessLog, shutdown, prometheus, webhooks, notifications, services, groups',
      ],
    ],
    ['a key of a later version', top('flags: {}'), ['5:1 flags: is not supported yet; remove it']],
    ['no listener', top('listeners: []'), ['5:12 listeners: is empty; give at least one']],
    ['listeners that are no list', top('listeners: 8080'), ['5:12 listeners: is a number; give a list']],
    ['a listener that is no map', top('listeners: [8080]'), ['5:13 listeners[0]: is a number; give a map of keys']],
    [
      'a port without a host',
      top('listeners: [{address: 8080}]'),
      ['5:23 listeners[0].address: 8080 has no host; write 127.0.0.1:8080, or 0.0.0.0:8080 for all interfaces'],
    ],
    [
      'a host without a port',
      top('listeners: [{address: localhost}]'),
      ['5:23 listeners[0].address: "localhost" has no port; write localhost:8080'],
    ],
    [
      'IPv6 without brackets',
      top('listeners: [{address: "::1"}]'),
      ['5:23 listeners[0].address: "::1" needs brackets and a port; write one such as [::1]:8080'],
    ],
    [
      'an impossible host',
      top('listeners: [{address: "a b:80"}]'),
      ['5:23 listeners[0].address: "a b" is not an address of this machine; write an address such as 127.0.0.1:80'],
    ],
    [
      'a port out of range',
      top('listeners: [{address: "127.0.0.1:70000"}]'),
      ['5:23 listeners[0].address: "127.0.0.1:70000" has no valid port; ports are 0 to 65535, such as 127.0.0.1:8080'],
    ],
    [
      'a listener on a taken address',
      top('listeners: [{address: ":80"}, {address: "127.0.0.1:80"}]'),
      ['5:41 listeners[1].address: 127.0.0.1:80 is taken by listeners[0]; give each listener its own address and port'],
    ],
    [
      'a listener on the admin address',
      top('listeners: [{address: ":9901"}]'),
      ['5:23 listeners[0].address: 0.0.0.0:9901 is the admin address; give the listener another port'],
    ],
    [
      'a listener without an address',
      top('listeners: [{}]'),
      ['5:13 listeners[0].address: is missing; write one such as 127.0.0.1:8080'],
    ],
    [
      'HTTP/2 that is neither on nor off',
      top('listeners: [{address: ":1", http2: h2c, limits: {streams: 0}}]'),
      [
        '5:36 listeners[0].http2: is text; give true or false',
        '5:59 listeners[0].limits.streams: 0 is too small; at least 1',
      ],
    ],
    [
      'PROXY protocol headers that nobody may send',
      top('listeners: [{address: ":1", proxyProtocol: true}, {address: ":2", proxyProtocol: maybe}]'),
      [
        '5:44 listeners[0].proxyProtocol: is believed of nobody; name the balancers that send it as `trustedProxies`',
        '5:82 listeners[1].proxyProtocol: give true, false or required',
      ],
    ],
    [
      'networks that are none',
      top('listeners: [{address: ":1", trustedProxies: [10.0.0.0/33, foo]}]'),
      [
        '5:46 listeners[0].trustedProxies[0]: "10.0.0.0/33" is not a network; write 10.0.0.0/8, 192.168.1.1 or fd00::/8',
        '5:59 listeners[0].trustedProxies[1]: "foo" is not a network; write 10.0.0.0/8, 192.168.1.1 or fd00::/8',
      ],
    ],
    [
      'timeouts of zero, without a unit and too long',
      top('listeners: [{address: ":1", timeouts: {head: 0s, body: 30, keepAlive: 30d}}]'),
      [
        '5:46 listeners[0].timeouts.head: 0s is too short; at least 1ms',
        '5:56 listeners[0].timeouts.body: 30 has no unit; write 30s, or ms, m, h, d',
        '5:71 listeners[0].timeouts.keepAlive: 30d is too long; at most 24d',
      ],
    ],
    [
      'limits out of range and of other types',
      top('listeners: [{address: ":1", limits: {head: 100B, fields: 0, body: 5, connections: "7"}}]'),
      [
        '5:44 listeners[0].limits.head: 100B is too small; at least 1KiB',
        '5:58 listeners[0].limits.fields: 0 is too small; at least 1',
        '5:67 listeners[0].limits.body: 5 has no unit; write 5B, or KB, KiB, MB, MiB, GiB',
        '5:83 listeners[0].limits.connections: "7" is text; write it without quotes',
      ],
    ],
    [
      'a head without a limit',
      top('listeners: [{address: ":1", limits: {head: none, body: 1 MB}}]'),
      [
        '5:44 listeners[0].limits.head: none is too large; at most 1MiB',
        '5:56 listeners[0].limits.body: "1 MB" is not a size; write 512B, 64KB, 16KiB, 1MiB or none',
      ],
    ],
    [
      'an admin address that others reach, without tokens',
      top('admin: {address: 0.0.0.0:9901}'),
      [
        '5:18 admin.address: 0.0.0.0:9901 can be reached from elsewhere, and there are no tokens; add `tokens`, or use 127.0.0.1:9901',
      ],
    ],
    [
      'a socket without a path',
      top('admin: {address: "unix:"}'),
      ['5:18 admin.address: names no socket; write unix:/run/tealgate.sock'],
    ],
    [
      'bad tokens, without showing them',
      top('admin: {tokens: [{name: a, token: "", role: viewer}, {name: a, token: "a b", role: admin}]}'),
      [
        '5:35 admin.tokens[0].token: is empty; give a secret of 16 characters or more',
        '5:71 admin.tokens[1].token: has a blank or a character outside ASCII; give a secret of printable ASCII characters',
        '5:84 admin.tokens[1].role: "admin" is not one of viewer, operator',
      ],
    ],
    [
      'the same token twice',
      top(
        'admin: {tokens: [{name: a, token: same-secret-same-secret, role: viewer}, {name: a, token: same-secret-same-secret, role: viewer}]}',
      ),
      [
        '5:82 admin.tokens[1].name: a is there twice; the audit trail needs a name for each token',
        '5:92 admin.tokens[1].token: is the token of another name as well; give each its own',
      ],
    ],
    [
      'a token that is a number',
      top('admin: {tokens: [{name: a, token: 12345678}]}'),
      [
        '5:18 admin.tokens[0].role: is missing; give one of viewer, operator',
        '5:35 admin.tokens[0].token: is a number, not text; put it in quotes',
      ],
    ],
    [
      'a wildcard for the admin host',
      top('admin: {hosts: ["*"]}'),
      ['5:17 admin.hosts[0]: "*" is not a host name; write one such as shop.example.com'],
    ],
    [
      'an empty store path',
      top('store: {path: ""}'),
      ['5:15 store.path: is empty; write a path, or ":memory:" for none'],
    ],
    ['no workers', top('workers: 0'), ['5:10 workers: 0 is too small; at least 1']],
    ['workers in words', top('workers: many'), ['5:10 workers: give 1 to 256, or auto']],
    ['yes for true', top('accessLog: yes'), ['5:12 accessLog: is text; give true or false']],
    [
      'a duration with blanks',
      top('shutdown: {drainTimeout: 1m 30s}'),
      [
        '5:26 shutdown.drainTimeout: "1m 30s" is not a duration; write 500ms, 30s, 10m, 1h, 1d or a combination such as 1m30s',
      ],
    ],
    [
      'a service name with a blank',
      'services: {"a b": {upstreams: {b: {weight: 1, targets: ["http://a"]}}}}',
      [
        '1:12 services."a b": "a b" is not a name; use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      ],
    ],
    ['hosts that are no list', service('hosts: shop'), ['5:12 services.shop.hosts: is text; give a list']],
    [
      'hosts that are none',
      service('hosts: ["shop.example.com:80", "https://shop.example.com/x", "*", "a..b", "bücher.example", 1.2.3.4.5]'),
      [
        '5:13 services.shop.hosts[0]: "shop.example.com:80" has a port; write shop.example.com, any port matches',
        '5:36 services.shop.hosts[1]: "https://shop.example.com/x" is a URL; write shop.example.com',
        '5:66 services.shop.hosts[2]: "*" is not needed; leave `hosts` out to match any host',
        '5:71 services.shop.hosts[3]: "a..b" is not a host name; write one such as shop.example.com',
        '5:79 services.shop.hosts[4]: "bücher.example" is not ASCII; write xn--bcher-kva.example',
        '5:97 services.shop.hosts[5]: "1.2.3.4.5" is not a host name; write one such as shop.example.com',
      ],
    ],
    ['an empty list of paths', service('paths: []'), ['5:12 services.shop.paths: is empty; give at least one']],
    [
      'path prefixes that are none',
      service('paths: [api, /api/*, "/a?b", /a/../b, //a]'),
      [
        '5:13 services.shop.paths[0]: "api" is not a path prefix; it begins with /',
        '5:18 services.shop.paths[1]: "/api/*" has a wildcard; a prefix such as /api matches everything beneath it',
        '5:26 services.shop.paths[2]: "/a?b" has a query, a fragment or a blank; write a prefix such as /api',
        '5:34 services.shop.paths[3]: "/a/../b" has an empty, . or .. segment; write a prefix such as /api',
        '5:43 services.shop.paths[4]: "//a" has an empty, . or .. segment; write a prefix such as /api',
      ],
    ],
    [
      'a host that is there twice',
      service('hosts: [a.x, A.x]'),
      ['5:18 services.shop.hosts[1]: a.x with path / is there twice; remove one'],
    ],
    [
      'a path that is there twice',
      service('paths: [/api, /api/]'),
      ['5:19 services.shop.paths[1]: any host with path /api is there twice; remove one'],
    ],
    [
      'two services for any host',
      'services:\n  shop:\n    upstreams:\n      blue: {weight: 1, targets: [http://127.0.0.1:3001]}\n  other:\n    upstreams: {b: {weight: 1, targets: [http://b]}}',
      [
        '6:5 services.other: any host with path / is matched by services shop and other alike; change the host or path of one',
      ],
    ],
    [
      'two services for one host',
      'service,hosts: [a.x]\n  other:\n    hosts: [b.x, a.x]\n    upstreams: {b: {weight: 1, targets: [http://b]}}',
      ['2:1 : is not valid YAML: All mapping items must start at the same column'],
    ],
    ['no upstream', upstreams('{}'), ['1:30 services.shop.upstreams: is empty; name at least one upstream']],
    [
      'weights that add up to 0',
      upstreams('{blue: {weight: 0, targets: []}, green: {weight: 0, targets: [http://a]}}'),
      ['1:19 services.shop.upstreams: the weights add up to 0, so no request could be answered; give one a weight'],
    ],
    [
      'a negative weight',
      upstreams('{blue: {weight: -1, targets: []}}'),
      ['1:46 services.shop.upstreams.blue.weight: -1 is too small; at least 0'],
    ],
    [
      'a weight with a fraction',
      upstreams('{blue: {weight: 1.5, targets: []}}'),
      ['1:46 services.shop.upstreams.blue.weight: 1.5 is not a whole number'],
    ],
    [
      'a weight in quotes',
      upstreams('{blue: {weight: "1", targets: ["http://a"]}}'),
      ['1:46 services.shop.upstreams.blue.weight: "1" is text; write it without quotes'],
    ],
    [
      'a weight in percent',
      upstreams('{blue: {weight: 50%, targets: ["http://a"]}}'),
      ['1:46 services.shop.upstreams.blue.weight: "50%" is not a whole number'],
    ],
    [
      'a weight left out',
      upstreams('{blue: {targets: ["http://a"]}}'),
      ['1:31 services.shop.upstreams.blue.weight: is missing; give a whole number'],
    ],
    [
      'targets left out',
      upstreams('{blue: {weight: 1}}'),
      ['1:31 services.shop.upstreams.blue.targets: is missing; give a list'],
    ],
    [
      'a weight without targets',
      upstreams('{blue: {weight: 1, targets: []}}'),
      ['1:58 services.shop.upstreams.blue.targets: is empty while the weight is 1; give a target, or weight 0'],
    ],
    [
      'targets that are no list',
      upstreams('{blue: {weight: 1, targets: http://a}}'),
      ['1:58 services.shop.upstreams.blue.targets: is text; give a list'],
    ],
    [
      'a target that is there twice',
      upstreams('{blue: {weight: 1, targets: [http://a, http://A:80/]}}'),
      ['1:69 services.shop.upstreams.blue.targets[1]: http://a:80 is there twice; remove one'],
    ],
    [
      'targets that are none',
      upstreams(
        '{blue: {weight: 1, targets: [h3://a:80, ftp://a, a:80, http://u:p@a, http://a/b, http://a?b, "http://a b", "http://a\\r\\nb", http://169.254.169.254, "http://[fe80::1]", http://a:0, http://127.0.0.1:9901]}}',
      ),
      [
        '1:59 services.shop.upstreams.blue.targets[0]: h3: is not a scheme for targets; write http://host:port or https://host:port, or h2c: or h2: for HTTP/2',
        '1:70 services.shop.upstreams.blue.targets[1]: ftp: is not a scheme for targets; write http://host:port or https://host:port, or h2c: or h2: for HTTP/2',
        '1:79 services.shop.upstreams.blue.targets[2]: "a:80" is not a URL; write http://a:80',
        '1:85 services.shop.upstreams.blue.targets[3]: has credentials; write http://host:port without them',
        '1:99 services.shop.upstreams.blue.targets[4]: "http://a/b" has a path; write http://host:port, requests keep the path they came with',
        '1:111 services.shop.upstreams.blue.targets[5]: "http://a?b" has a query or a fragment; write http://host:port',
        '1:123 services.shop.upstreams.blue.targets[6]: has a blank, a backslash or a control character; write http://host:port',
        '1:137 services.shop.upstreams.blue.targets[7]: has a blank, a backslash or a control character; write http://host:port',
        '1:154 services.shop.upstreams.blue.targets[8]: "http://169.254.169.254" is a link-local (metadata) address; requests are never sent there',
        '1:178 services.shop.upstreams.blue.targets[9]: "http://[fe80::1]" is a link-local (metadata) address; requests are never sent there',
        '1:198 services.shop.upstreams.blue.targets[10]: "http://a:0" has port 0; write the port that the target listens on',
      ],
    ],
    [
      'targets that are the admin endpoint',
      upstreams('{blue: {weight: 1, targets: [http://127.0.0.1:9901, http://localhost:9901, "http://0.0.0.0:9901"]}}'),
      [
        '1:59 services.shop.upstreams.blue.targets[0]: http://127.0.0.1:9901 is the admin address; requests are never sent there',
        '1:82 services.shop.upstreams.blue.targets[1]: http://localhost:9901 is the admin address; requests are never sent there',
        '1:105 services.shop.upstreams.blue.targets[2]: http://0.0.0.0:9901 is the admin address; requests are never sent there',
      ],
    ],
    [
      'an upstream that is no map',
      upstreams('{blue: 5}'),
      ['1:37 services.shop.upstreams.blue: is a number; give a map of keys'],
    ],
    [
      'an upstream name that begins with a dash',
      upstreams('{-blue: {weight: 1, targets: ["http://a"]}}'),
      [
        '1:31 services.shop.upstreams.-blue: "-blue" is not a name; use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      ],
    ],
    [
      'a stable upstream that is unknown',
      service('stable: green'),
      ['5:13 services.shop.stable: there is no upstream green; write one of blue'],
    ],
    [
      'a stable upstream with a typo',
      service('stable: bleu'),
      ['5:13 services.shop.stable: there is no upstream bleu; did you mean blue?'],
    ],
    [
      'health that is a path',
      service('health: /healthz'),
      ['5:13 services.shop.health: give none, or a map with `path`, or `grpc`'],
    ],
    [
      'health without a path',
      service('health: {}'),
      [
        '5:13 services.shop.health: asks for nothing; give `path`, such as /healthz, or `grpc: {}` for the health service of gRPC',
      ],
    ],
    [
      'health by gRPC of a target of HTTP/1.1',
      service('health: {grpc: {}}'),
      [
        '4:35 services.shop.upstreams.blue.targets[0]: http://127.0.0.1:3001 is asked by HTTP/1.1, and its health by gRPC, which is HTTP/2; write h2c://127.0.0.1:3001, or check a `path`',
      ],
    ],
    [
      'health by gRPC with what belongs to a path',
      upstreams('{blue: {weight: 1, targets: [h2c://a]}}, health: {path: /, status: 2xx, grpc: {}}'),
      [
        '1:89 services.shop.health.status: is a matter of `path`: with `grpc` a good answer is SERVING; remove it',
        '1:102 services.shop.health.grpc: cannot go with `path`; remove one of them',
      ],
    ],
    [
      'a gRPC service that is no name',
      upstreams('{blue: {weight: 1, targets: [h2c://a]}}, health: {grpc: {service: "a\\nb", name: x}}'),
      [
        '1:96 services.shop.health.grpc.service: "a\\nb" has a control character; remove it',
        '1:104 services.shop.health.grpc.name: is not a known key; known here: service',
      ],
    ],
    [
      'health values out of range',
      service('health: {path: healthz, interval: 0s, rise: 0, status: 200-600}'),
      [
        '5:20 services.shop.health.path: "healthz" is not a path; it begins with /',
        '5:39 services.shop.health.interval: 0s is too short; at least 50ms',
        '5:49 services.shop.health.rise: 0 is too small; at least 1',
        '5:60 services.shop.health.status: "200-600" is not a range of status codes; write 200, 200-399 or 2xx',
      ],
    ],
    [
      'a health path with a blank',
      service('health: {path: "/a b", status: 700}'),
      [
        '5:20 services.shop.health.path: "/a b" has a character that a path cannot have; write it percent-encoded',
        '5:36 services.shop.health.status: 700 is too large; at most 599',
      ],
    ],
    [
      'health without a value',
      service('health:'),
      ['5:5 services.shop.health: give none, or a map with `path`, or `grpc`'],
    ],
    [
      'pins by an unknown word',
      service('pins: cokie'),
      ['5:11 services.shop.pins: give one of none, cookie, ip, or a map with `by`'],
    ],
    [
      'pins by an unknown kind',
      service('pins: {by: sticky}'),
      ['5:16 services.shop.pins.by: "sticky" is not one of none, cookie, ip, or {header: NAME}'],
    ],
    [
      'pins by an unnamed header',
      service('pins: {by: header}'),
      ['5:16 services.shop.pins.by: names no header; write {header: NAME}'],
    ],
    [
      'a cookie name without a cookie',
      service('pins: {by: none, name: x}'),
      ['5:28 services.shop.pins.name: belongs to `by: cookie`; remove it'],
    ],
    [
      'a header beside a cookie',
      service('pins: {by: cookie, maxAge: 500ms, header: x}'),
      ['5:47 services.shop.pins.header: belongs to `by: header`; remove it'],
    ],
    [
      'pins by a header that is none',
      service('pins: {by: {header: "a b"}}'),
      ['5:25 services.shop.pins.by.header: "a b" is not a header name; write one such as x-user-id'],
    ],
    [
      'pins by a header in text that is none',
      service('pins: {by: "header: a b"}'),
      ['5:16 services.shop.pins.by: "a b" is not a header name; write one such as x-user-id'],
    ],
    [
      'a cookie name that is none',
      service('pins: {by: cookie, name: "a;b"}'),
      ['5:30 services.shop.pins.name: "a;b" is not a cookie name; use letters, digits, dashes and underscores'],
    ],
    [
      'pins without a kind',
      service('pins: {name: x}'),
      ['5:5 services.shop.pins.by: give one of none, cookie, ip, or {header: NAME}'],
    ],
    [
      'a header named twice',
      service('pins: {by: {header: a}, header: b}'),
      ['5:37 services.shop.pins.header: is named in `by` as well; keep one of them'],
    ],
    [
      'a cookie that lives too long',
      service('pins: {by: cookie, maxAge: 401d}'),
      ['5:32 services.shop.pins.maxAge: 401d is too long; at most 400d'],
    ],
    [
      'retries out of range, a budget as a fraction',
      service('retries: {attempts: 11, budget: 0.2}'),
      [
        '5:25 services.shop.retries.attempts: 11 is too large; at most 10',
        '5:37 services.shop.retries.budget: 0.2 has no percent sign; write a percentage such as 1% or 0.5%',
      ],
    ],
    [
      'outliers that never or always are',
      service('outliers: {consecutive: 0, share: 0%, ejection: 2m, maxEjection: 1m}'),
      [
        '5:29 services.shop.outliers.consecutive: 0 is too small; at least 1',
        '5:39 services.shop.outliers.share: 0% is out of range; give more than 0%',
      ],
    ],
    [
      'a longest ejection below the first',
      service('outliers: {ejection: 2m, maxEjection: 1m}'),
      ['5:43 services.shop.outliers.maxEjection: 1m is below `ejection`; give 2m or more'],
    ],
    [
      'limits of targets that let nothing through',
      service('limits: {inFlightPerTarget: 0, queue: none, queueTimeout: 0s}'),
      [
        '5:33 services.shop.limits.inFlightPerTarget: 0 is too small; at least 1',
        '5:43 services.shop.limits.queue: "none" is not a whole number',
        '5:63 services.shop.limits.queueTimeout: 0s is too short; at least 1ms',
      ],
    ],
    [
      'a budget above 100 %',
      service('retries: {budget: 120%}'),
      ['5:23 services.shop.retries.budget: "120%" is not a percentage; write 0% to 100%, such as 1% or 0.5%'],
    ],
    ['a number for a boolean', service('expose: 1'), ['5:13 services.shop.expose: is a number; give true or false']],
    ['a duration for a map', service('drain: 30s'), ['5:12 services.shop.drain: is text; give a map of keys']],
    [
      'timeouts that are none',
      service('timeouts: {connect: 0s, response: ten, idle: 1s1m}'),
      [
        '5:25 services.shop.timeouts.connect: 0s is too short; at least 1ms',
        '5:39 services.shop.timeouts.response: "ten" is not a duration; write 500ms, 30s, 10m, 1h, 1d or a combination such as 1m30s',
        '5:50 services.shop.timeouts.idle: "1s1m" is not a duration; write 500ms, 30s, 10m, 1h, 1d or a combination such as 1m30s',
      ],
    ],
    [
      'an unknown strategy',
      service('rollout: {strategy: bluegreen}'),
      [
        '5:25 services.shop.rollout.strategy: "bluegreen" is not one of canary, blue-green, shadow; did you mean blue-green?',
      ],
    ],
    ['no stages', service('rollout: {stages: []}'), ['5:23 services.shop.rollout.stages: is empty; give at least one']],
    [
      'stage weights out of range',
      service('rollout: {stages: [{weight: -1}, {weight: 101}, {hold: 1m}]}'),
      [
        '5:33 services.shop.rollout.stages[0].weight: -1 is too small; at least 0',
        '5:47 services.shop.rollout.stages[1].weight: 101 is too large; at most 100',
        '5:53 services.shop.rollout.stages[2].weight: is missing; give a whole number',
      ],
    ],
    [
      'stages that do not rise',
      service('rollout: {stages: [{weight: 50}, {weight: 50}, {weight: 20}]}'),
      [
        '5:47 services.shop.rollout.stages[1].weight: 50 is not above the stage before; give more than 50',
        '5:61 services.shop.rollout.stages[2].weight: 20 is not above the stage before; give more than 50',
      ],
    ],
    [
      'stages for blue-green',
      service('rollout: {strategy: blue-green, stages: [{weight: 50}]}'),
      ['5:37 services.shop.rollout.stages: belongs to `strategy: canary`; with blue-green give `watch`'],
    ],
    [
      'watch for a canary',
      service('rollout: {watch: 1m}'),
      [
        '5:15 services.shop.rollout.watch: belongs to `strategy: blue-green` or `shadow`; with canary give `hold` in each stage',
      ],
    ],
    [
      'a guard that allows nothing or needs certainty',
      service('rollout: {guards: {errorRate: {max: 0%, confidence: 100%}}}'),
      [
        '5:41 services.shop.rollout.guards.errorRate.max: 0% is out of range; above 0% and below 100%',
        '5:57 services.shop.rollout.guards.errorRate.confidence: 100% is out of range; from 50% to below 100%',
      ],
    ],
    [
      'a guard of a later version and one with a typo',
      service('rollout: {guards: {metric: {max: 1}, errorrate: none}}'),
      [
        '5:24 services.shop.rollout.guards.metric: needs `prometheus`, such as `prometheus: main`',
        '5:42 services.shop.rollout.guards.errorrate: there is no guard of this name to turn off; did you mean errorRate?',
      ],
    ],
    [
      'a guard without a kind, which may be a typo, and one with another kind than its name',
      service('rollout: {guards: {errorate: {max: 1%}, slow: {kind: Latency}, errorRate: {kind: latency}}}'),
      [
        `5:24 services.shop.rollout.guards.errorate.kind: is missing; give one of ${KINDS}`,
        `5:58 services.shop.rollout.guards.slow.kind: "Latency" is not one of ${KINDS}; did you mean latency?`,
        '5:86 services.shop.rollout.guards.errorRate.kind: "latency" is not one of errorRate',
      ],
    ],
    [
      'a guard of a stage that lacks what nothing beneath has',
      service('rollout: {stages: [{weight: 5, guards: {slow: {kind: latency}, "a b": {kind: errorRate}}}]}'),
      [
        '5:45 services.shop.rollout.stages[0].guards.slow: needs `max`, such as `max: 500ms`, or `versus: stable`',
        '5:68 services.shop.rollout.stages[0].guards."a b": is not a name; use 1 to 63 letters, digits, dots, dashes and underscores, beginning with a letter or digit',
      ],
    ],
    [
      'a guard with two bounds, and keys that belong to another',
      service(
        'rollout: {guards: {errorRate: {max: 1%, versus: stable}, strict: {kind: errorRate, ratio: 2}, blue: {kind: errorRate, versus: blue}}}',
      ),
      [
        '5:36 services.shop.rollout.guards.errorRate.max: stands beside `versus`, and a guard has one bound; make two guards of it',
        '5:88 services.shop.rollout.guards.strict.ratio: needs `versus: stable`',
        '5:131 services.shop.rollout.guards.blue.versus: "blue" is not one of stable',
      ],
    ],
    [
      'what a guard cannot match',
      service(
        'rollout: {guards: {errorRate: {match: {paths: [pay], methods: [get], errors: [600, 5x, 599-500], grpc: [OK]}, by: {client: 0}}, business: {minRatio: 0%}}}',
      ),
      [
        '5:52 services.shop.rollout.guards.errorRate.match.paths[0]: "pay" is not a path prefix; it begins with /',
        '5:68 services.shop.rollout.guards.errorRate.match.methods[0]: "get" is not a method; write one such as POST',
        '5:83 services.shop.rollout.guards.errorRate.match.errors[0]: 600 is too large; at most 599',
        '5:88 services.shop.rollout.guards.errorRate.match.errors[1]: "5x" is not a status; write 404, 5xx or 500-599',
        '5:92 services.shop.rollout.guards.errorRate.match.errors[2]: "599-500" is not a status; write 404, 5xx or 500-599',
        '5:109 services.shop.rollout.guards.errorRate.match.grpc[0]: give the name or number of a gRPC status other than OK, such as UNAVAILABLE',
        '5:128 services.shop.rollout.guards.errorRate.by.client: 0 is too small; at least 1',
        '5:154 services.shop.rollout.guards.business.minRatio: 0% is out of range; above 0% and up to 100%',
      ],
    ],
    [
      'more counters than there are',
      service(
        `rollout: {guards: {${Array.from({ length: 17 }, (_, n) => `g${n}: {kind: latency, max: ${n + 1}ms}`).join(', ')}}}`,
      ),
      [
        '5:15 services.shop.rollout.guards: need 17 counters of their own, and there are 16; leave out some, or let them count alike',
      ],
    ],
    [
      'guards off',
      service('rollout: {guards: off}'),
      ['5:23 services.shop.rollout.guards: give none, or a map of guards'],
    ],
    [
      'a percentage for a guard',
      service('rollout: {guards: {errorRate: 1%}}'),
      ['5:35 services.shop.rollout.guards.errorRate: give none, or a map of `max` and `confidence`'],
    ],
    [
      'a smoke request with everything wrong',
      service(
        'rollout: {smoke: [{path: x, method: get, headers: {"a b": x, c: "x\\r\\ny", d: 1}, expect: {status: 99, body: ""}, timeout: 0s}]}',
      ),
      [
        '5:30 services.shop.rollout.smoke[0].path: "x" is not a path; it begins with /',
        '5:41 services.shop.rollout.smoke[0].method: "get" is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS; did you mean GET?',
        '5:56 services.shop.rollout.smoke[0].headers."a b": "a b" is not a header name; write one such as x-user-id',
        '5:69 services.shop.rollout.smoke[0].headers.c: has a line break or a control character; a header value is one line',
        '5:82 services.shop.rollout.smoke[0].headers.d: is a number, not text; put it in quotes',
        '5:103 services.shop.rollout.smoke[0].expect.status: 99 is too small; at least 100',
        '5:113 services.shop.rollout.smoke[0].expect.body: is empty; give at least one character',
        '5:127 services.shop.rollout.smoke[0].timeout: 0s is too short; at least 1ms',
      ],
    ],
    [
      'a variable that is not set',
      service('stable: ${STABLE}'),
      ['5:13 services.shop.stable: the variable STABLE is not set; set it, or write ${STABLE:-default}'],
    ],
    [
      'a variable that is required',
      service('stable: "${STABLE:?which side is trusted}"'),
      ['5:14 services.shop.stable: the variable STABLE is not set: which side is trusted'],
    ],
    [
      'a file that is missing',
      service('stable: "${file:missing.txt}"'),
      ['5:14 services.shop.stable: the file missing.txt does not exist; check the path'],
    ],
    [
      'a reference without braces',
      service('stable: "$STABLE"'),
      ['5:14 services.shop.stable: $STABLE is not replaced; write ${STABLE}, or $$STABLE for the text itself'],
    ],
    [
      'a reference without an end',
      service('stable: "${STABLE"'),
      ['5:14 services.shop.stable: "${STABLE" has no closing brace; write $$ for a dollar sign'],
    ],
    [
      'a reference inside another',
      service('stable: "${A:-${B}}"'),
      ['5:14 services.shop.stable: a reference inside another is not replaced; use one variable for both'],
    ],
    [
      'a reference of another kind',
      service('stable: "${STABLE:+x}"'),
      [
        '5:14 services.shop.stable: "${STABLE:+x}" is not a reference; write ${VAR}, ${VAR:-default}, ${VAR:?message} or ${file:PATH}',
      ],
    ],
    [
      'an empty reference',
      service('stable: "${}"'),
      [
        '5:14 services.shop.stable: "${}" is not a reference; write ${VAR}, ${VAR:-default}, ${VAR:?message} or ${file:PATH}',
      ],
    ],
    [
      'a variable that is no number',
      service('retries: {attempts: "${N}"}'),
      ['5:25 services.shop.retries.attempts: "many" is not a whole number'],
    ],
    [
      'a file that is a directory',
      service('stable: "${file:.}"'),
      ['5:14 services.shop.stable: the file . is a directory; name a file'],
    ],
    [
      'a variable without a unit',
      service('drain: {timeout: "${N2}"}'),
      ['5:22 services.shop.drain.timeout: 30 has no unit; write 30s, or ms, m, h, d'],
    ],
  ])('%s', (_, text, problems) => {
    mkdirSync(join(directory, 'a-directory'), { recursive: true });
    expect(refused(text, { env: { N: 'many', N2: '30' }, file })).toEqual(problems);
  });

  it('reports everything at once, in the order of the file', () => {
    const text = `listeners:
  - {address: 127.0.0.1:8080, timeouts: {head: 10}}
  - {address: 127.0.0.1:8080}
worker: 2
services:
  shop:
    upstreams:
      blue: {weight: 0, targets: [http://127.0.0.1:9901]}
      green: {weight: 0, targets: []}
    stable: bleu
    retries: {budget: 20}
    pins: {by: "\${WHO}"}
    rollout: {stages: [{weight: 50}, {weight: 5}], guards: {errorRate: {max: 1}}}
`;
    expect(refused(text).map((problem) => problem.split(': ')[0])).toEqual([
      '2:48 listeners[0].timeouts.head',
      '3:15 listeners[1].address',
      '4:1 worker',
      '7:5 services.shop.upstreams',
      '8:35 services.shop.upstreams.blue.targets[0]',
      '10:13 services.shop.stable',
      '11:23 services.shop.retries.budget',
      '12:17 services.shop.pins.by',
      '13:47 services.shop.rollout.stages[1].weight',
      '13:78 services.shop.rollout.guards.errorRate.max',
    ]);
  });

  it('reports what is wrong beneath a name that is wrong, too', () => {
    const text = `services:
  "my shop":
    upstreams:
      "the blue": {wieght: 1, weight: "\${ONE}", targets: [ftp://a]}
    timeouts: {connect: 5}
webhooks:
  "a b": {url: http://hooks.test, timeout: 5}
`;
    expect(refused(text, { env: { ONE: '1' } }).map((problem) => problem.replace(/;.*/, ''))).toEqual([
      '2:3 services."my shop": "my shop" is not a name',
      '4:7 services."my shop".upstreams."the blue": "the blue" is not a name',
      '4:20 services."my shop".upstreams."the blue".wieght: is not a known key',
      '4:59 services."my shop".upstreams."the blue".targets[0]: ftp: is not a scheme for targets',
      '5:25 services."my shop".timeouts.connect: 5 has no unit',
      '7:3 webhooks."a b": "a b" is not a name',
      '7:44 webhooks."a b".timeout: 5 has no unit',
    ]);
  });

  it('reports whom a plan asks and is not there, whatever else is wrong', () => {
    const text = `services:
  shop:
    upstreams: {blue: {weight: heavy, targets: [http://a]}}
    rollout: {guards: {smoke: {kind: webhook, webhook: chat}}}
  other:
    hosts: [other.test]
    upstreams: {blue: {weight: 0, targets: []}}
`;
    expect(refused(text).map((problem) => problem.replace(/;.*/, ''))).toEqual([
      '3:32 services.shop.upstreams.blue.weight: "heavy" is not a whole number',
      '4:56 services.shop.rollout.guards.smoke.webhook: there is no chat under `webhooks`',
      '7:5 services.other.upstreams: the weights add up to 0, so no request could be answered',
    ]);
  });

  it('does not complain about what follows from another mistake', () => {
    const text = `services:
  shop:
    upstreams:
      blue: {weight: heavy, targets: [http://a]}
      green: {weight: 0, targets: [http://b]}
    stable: green
`;
    expect(refused(text)).toEqual(['4:22 services.shop.upstreams.blue.weight: "heavy" is not a whole number']);
  });

  it('counts columns in files with carriage returns and a byte order mark', () => {
    expect(refused(`\ufeff${top('workers: 0').replaceAll('\n', '\r\n')}`)).toEqual([
      '5:10 workers: 0 is too small; at least 1',
    ]);
  });

  it('stops at 100 problems and says how many follow', () => {
    const lines = Array.from({ length: 250 }, (_, i) => `k${i}: 1`).join('\n');
    const problems = refused(top(lines));
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toBe('105:1 : and 150 more problems from here on');
  });
});
