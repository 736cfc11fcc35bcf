import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type GateFile, openGate, openTarget, startLoad, type TestGate, until } from '../support/gate.ts';
import { hasPrometheus, openPrometheus, type PrometheusProcess } from '../support/prometheus.ts';
import { FIXTURES } from '../support/tls.ts';

/** Prometheus takes some seconds before it scrapes for the first time. */
vi.setConfig({ testTimeout: 90_000, hookTimeout: 30_000 });

const BY = { actor: 'test' };
const phase = (test: TestGate) => test.control.service('shop').rollout?.position.phase;
const evidence = (test: TestGate) => test.control.service('shop').rollout?.guards[0];

interface Exporter extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Its one metric; null for none. */
  depth: number | null;
}

/** A version of the shop with a metric of its own. */
async function openExporter(version: string): Promise<Exporter> {
  const target = await openTarget((_, response) => {
    const { depth } = exporter;
    response.end(depth === null ? '' : `shop_queue_depth{version="${version}"} ${depth}\n`);
  });
  const { url, port, close } = target;
  const exporter: Exporter = { url, port, depth: 1, [Symbol.asyncDispose]: close };
  return exporter;
}

// In CI it is installed: without it there, these tests fail rather than say nothing.
describe.skipIf(!hasPrometheus && process.env.CI !== 'true')('a metric guard (needs prometheus)', () => {
  let blue: Exporter;
  let green: Exporter;
  let prometheus: PrometheusProcess;
  beforeAll(async () => {
    blue = await openExporter('blue');
    green = await openExporter('green');
    prometheus = await openPrometheus([`127.0.0.1:${blue.port}`, `127.0.0.1:${green.port}`]);
  });
  afterAll(async () => {
    await prometheus?.stop();
    await blue?.[Symbol.asyncDispose]();
    await green?.[Symbol.asyncDispose]();
  });

  function file(url = prometheus.url): GateFile {
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    return { prometheus: { main: { url } }, services: { shop: { upstreams } } };
  }

  const QUERY = 'max(shop_queue_depth{version="{{upstream}}"})';
  const depth = (guard: object) => ({
    errorRate: 'none',
    depth: { kind: 'metric', prometheus: 'main', query: QUERY, interval: '100ms', ...guard },
  });
  const shows = (version: string, value: number) =>
    until(
      () => prometheus.hasValue(`max(shop_queue_depth{version="${version}"}) == ${value}`),
      `${version} ${value}`,
      30_000,
    );

  it('lets pass what Prometheus finds within bounds, and takes back what it does not', async () => {
    green.depth = 3;
    await shows('green', 3);
    await using test = await openGate(file());
    const plan = { stages: [{ weight: 20, hold: '1h' }], guards: depth({ max: 10 }) };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => evidence(test)?.verdict === 'pass', 'the first answer');
    expect(evidence(test)).toMatchObject({
      guard: 'depth',
      kind: 'metric',
      value: 3,
      summary: 'the value is 3: within bounds',
    });
    expect(phase(test)).toBe('progressing');
    green.depth = 12;
    await until(() => phase(test) === 'rolled_back', 'the rollback');
    const { rollout, upstreams } = test.control.service('shop');
    expect(rollout?.transitions.at(-1)).toMatchObject({
      reason: 'metric',
      evidence: [{ verdict: 'fail', value: 12, summary: 'the value is 12: more than the allowed 10' }],
    });
    expect(upstreams).toMatchObject({ blue: { weight: 100 }, green: { weight: 0 } });
  });

  it('compares the candidate with stable by the same query', async () => {
    blue.depth = 40;
    green.depth = 50;
    await shows('blue', 40);
    await shows('green', 50);
    await using test = await openGate(file());
    const guards = depth({ baseline: 'stable', ratio: 1.2, margin: 5, failures: 2 });
    await test.control.startRollout('shop', 'green', { stages: [{ weight: 20, hold: '1h' }], guards }, BY);
    await until(() => evidence(test)?.verdict === 'pass', 'the first answer');
    expect(evidence(test)).toMatchObject({ value: 50, baseline: 40 });
    blue.depth = 30;
    await until(() => phase(test) === 'rolled_back', 'the rollback');
    expect(test.control.service('shop').rollout?.guards[0]).toMatchObject({
      verdict: 'fail',
      failures: 2,
      needed: 2,
      summary: expect.stringContaining('beside a baseline of 30: more than the allowed 41'),
    });
  });

  it('without data says nothing unless told to, and goes on by itself when there are some', async () => {
    green.depth = null;
    await until(
      async () => !(await prometheus.hasValue('shop_queue_depth{version="green"}')),
      'the end of the series',
      30_000,
    );
    await using test = await openGate(file());
    const plan = { stages: [{ weight: 20, hold: '300ms' }], onInconclusive: 'pause', guards: depth({ max: 10 }) };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === 'paused', 'the pause');
    expect(evidence(test)).toMatchObject({
      verdict: 'inconclusive',
      value: null,
      summary: 'no data: the query found no series',
    });
    green.depth = 2;
    await until(() => phase(test) === 'promoted', 'the promotion');
  });

  it.each([
    ['fail', 'rolled_back'],
    ['pass', 'promoted'],
  ])('without data is a %s where it is told so', async (onNoData, end) => {
    await using test = await openGate(file());
    const query = 'vector(0) / vector(0)';
    const plan = { stages: [{ weight: 20, hold: '1s' }], guards: depth({ max: 10, query, onNoData }) };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === end, 'the end');
    expect(evidence(test)).toMatchObject({ summary: 'no data: the query gives NaN' });
  });

  it('takes nothing back because Prometheus has gone, and goes on when it is there again', async () => {
    green.depth = 2;
    const lost = await openPrometheus([`127.0.0.1:${green.port}`]);
    await using test = await openGate(file(lost.url));
    const plan = { stages: [{ weight: 20, hold: '1h' }], guards: depth({ max: 10 }) };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => evidence(test)?.verdict === 'pass', 'the first answer');
    await lost.stop();
    await until(() => evidence(test)?.verdict === 'inconclusive', 'the loss');
    expect(evidence(test)?.summary).toMatch(/^Prometheus did not answer: /);
    expect(phase(test)).toBe('progressing');
    await using _again = await openPrometheus([`127.0.0.1:${green.port}`], Number(new URL(lost.url).port));
    await until(() => evidence(test)?.verdict === 'pass', 'the next answer', 30_000);
  });

  it('believes a Prometheus with a certificate of a private authority that `ca` names', async () => {
    green.depth = 3;
    const tls = { cert: `${FIXTURES}/gate.crt`, key: `${FIXTURES}/gate.key` };
    await using secure = await openPrometheus([`127.0.0.1:${green.port}`], 0, tls);
    const main = { url: secure.url, ca: `${FIXTURES}/root.crt` };
    await using test = await openGate({ ...file(), prometheus: { main } });
    const plan = { stages: [{ weight: 20, hold: '1h' }], guards: depth({ max: 10 }) };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => evidence(test)?.verdict === 'pass', 'the answer', 30_000);
  });

  it('says what is wrong with a query, and takes nothing back', async () => {
    await using test = await openGate(file());
    const plan = { stages: [{ weight: 20, hold: '1h' }], guards: depth({ max: 10, query: 'sum(' }) };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => (evidence(test)?.summary ?? '').startsWith('Prometheus answered 400'), 'the answer');
    expect(evidence(test)).toMatchObject({ verdict: 'inconclusive', summary: expect.stringContaining('parse error') });
    await test.control.operateRollout('shop', 'abort', BY);
    const again = { ...plan, guards: depth({ max: 10, query: 'up' }) };
    await test.control.startRollout('shop', 'green', again, BY);
    await until(() => (evidence(test)?.summary ?? '').includes('gives 2 series'), 'the answer');
    expect(phase(test)).toBe('progressing');
  });
});

describe.skipIf(!hasPrometheus && process.env.CI !== 'true')("the gate's own metrics (needs prometheus)", () => {
  it('show a candidate that is slower than stable, which is taken back', async () => {
    await using blue = await openTarget('blue');
    await using green = await openTarget((_, response) => void setTimeout(() => response.end('green'), 80));
    const upstreams = { blue: { weight: 100, targets: [blue.url] }, green: { weight: 0, targets: [green.url] } };
    const services = { shop: { upstreams } };
    await using test = await openGate({ services });
    await using prometheus = await openPrometheus([new URL(test.adminUrl).host]);
    await test.write({ services, prometheus: { main: { url: prometheus.url } } });
    await test.control.reload(BY);
    const of = (part: string) =>
      `sum(rate(tealgate_upstream_duration_seconds_${part}{service="{{service}}",upstream="{{upstream}}"}[3s]))`;
    const metric = {
      prometheus: 'main',
      query: `${of('sum')} / ${of('count')}`,
      baseline: 'stable',
      ratio: 2,
      margin: 0.02,
      interval: '250ms',
    };
    const load = startLoad(test.url, 4);
    const plan = { stages: [{ weight: 50, hold: '1h' }], guards: { errorRate: 'none', metric } };
    await test.control.startRollout('shop', 'green', plan, BY);
    await until(() => phase(test) === 'rolled_back', 'the rollback', 20_000);
    await load.stop();
    const last = test.control.service('shop').rollout?.transitions.at(-1);
    expect(last).toMatchObject({ reason: 'metric', evidence: [{ kind: 'metric', verdict: 'fail' }] });
    const [found] = last?.evidence ?? [];
    if (found?.kind !== 'metric') throw new Error('no evidence');
    expect(found.value ?? 0).toBeGreaterThan(2 * (found.baseline ?? 1) + 0.02);
  });
});
