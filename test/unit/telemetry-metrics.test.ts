import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { OUTCOMES, SERVICE, stripe, UPSTREAM } from '../../src/traffic/ledger.ts';
import { FakeControlPlane } from '../support/fake-control-plane.ts';
import { type MetricFamily, parsePrometheusText } from '../support/prometheus-text.ts';

async function scrape(gate: FakeControlPlane, metrics = createMetrics(gate)) {
  return parsePrometheusText((await metrics.render()).body);
}

function value(family: MetricFamily | undefined, labels: Record<string, string>, suffix = ''): number | undefined {
  return family?.samples.find(
    (sample) =>
      sample.name === `${family.name}${suffix}` &&
      Object.entries(labels).every(([name, expected]) => sample.labels[name] === expected),
  )?.value;
}

describe('the metrics', () => {
  it('are the Prometheus text format, and name the units in their names', async () => {
    const gate = new FakeControlPlane();
    gate.count('shop', 'blue');
    const { contentType, body } = await createMetrics(gate).render();
    expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8');
    const ours = [...parsePrometheusText(body).values()].filter(({ name }) => name.startsWith('tealgate_'));
    for (const { name, type, help } of ours) {
      expect(name).toMatch(/^tealgate_[a-z][a-z_]*$/);
      expect(name).not.toMatch(/_(ms|milliseconds|micros|minutes|percent|kb|mb)(_|$)/);
      expect(name.endsWith('_total'), `${name} is a ${type}`).toBe(type === 'counter');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/^[A-Z0-9].*\.$/);
    }
  });

  it('have every name that dashboards and alerts rely on', async () => {
    const names = [...(await scrape(new FakeControlPlane())).keys()];
    expect(names).toEqual(
      expect.arrayContaining([
        'tealgate_requests_total',
        'tealgate_request_duration_seconds',
        'tealgate_upstream_duration_seconds',
        'tealgate_overhead_seconds',
        'tealgate_in_flight',
        'tealgate_target_healthy',
        'tealgate_upstream_weight',
        'tealgate_retries_total',
        'tealgate_rollout_phase',
        'tealgate_rollout_transitions_total',
        'tealgate_config_last_reload_successful',
        'tealgate_config_last_reload_success_timestamp_seconds',
        'tealgate_build_info',
        'tealgate_outcomes_total',
        'tealgate_accepted_total',
        'tealgate_upgrades',
        'tealgate_pins',
        'tealgate_worker_restarts_total',
        'tealgate_certificate_expiry_timestamp_seconds',
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_seconds',
      ]),
    );
  });

  it('count requests by method and code, and leave out what never happened', async () => {
    const gate = new FakeControlPlane();
    gate.count('shop', 'blue');
    gate.count('shop', 'blue');
    gate.count('shop', 'green', { method: 'POST', code: 503 });
    gate.count('shop', 'green', { method: 'PUT', code: 299 });
    const requests = (await scrape(gate)).get('tealgate_requests_total');
    expect(requests?.samples).toHaveLength(3);
    expect(value(requests, { service: 'shop', upstream: 'blue', method: 'GET', code: '200' })).toBe(2);
    expect(value(requests, { service: 'shop', upstream: 'green', method: 'POST', code: '503' })).toBe(1);
    expect(value(requests, { service: 'shop', upstream: 'green', method: 'PUT', code: 'other' })).toBe(1);
  });

  it('add up the workers, and are the same at each scrape', async () => {
    const gate = new FakeControlPlane();
    gate.count('shop', 'blue');
    const [service] = gate.blocks();
    stripe(service?.serviceBlock ?? gate.unrouted, SERVICE.size, 1)[SERVICE.accepted] = 5;
    const metrics = createMetrics(gate);
    for (let scrapes = 0; scrapes < 2; scrapes++) {
      const families = await scrape(gate, metrics);
      expect(value(families.get('tealgate_accepted_total'), { service: 'shop' })).toBe(6);
    }
  });

  it('account for each accepted request in one outcome, also for those that reached no service', async () => {
    const gate = new FakeControlPlane();
    gate.count('shop', 'blue', { code: 404, outcome: 'client_error' });
    const unrouted = stripe(gate.unrouted, SERVICE.size, 0);
    unrouted[SERVICE.accepted] = 3;
    unrouted[SERVICE.outcomes + OUTCOMES.indexOf('rejected')] = 3;
    const families = await scrape(gate);
    const outcomes = families.get('tealgate_outcomes_total');
    expect(value(outcomes, { service: 'shop', outcome: 'client_error' })).toBe(1);
    expect(value(outcomes, { service: '', outcome: 'rejected' })).toBe(3);
    for (const { labels, value: accepted } of families.get('tealgate_accepted_total')?.samples ?? []) {
      const ended = outcomes?.samples.filter((sample) => sample.labels.service === labels.service);
      expect(ended?.reduce((sum, sample) => sum + sample.value, 0)).toBe(accepted);
    }
  });

  it('show histograms as cumulative buckets with their sum and count', async () => {
    const gate = new FakeControlPlane();
    gate.count('shop', 'blue', { durationMs: 2 });
    gate.count('shop', 'blue', { durationMs: 20 });
    const [service] = gate.blocks();
    for (const { block } of service?.upstreams ?? [])
      stripe(block, UPSTREAM.size, 1)[UPSTREAM.requestDuration + 14] = 1;
    const family = (await scrape(gate)).get('tealgate_request_duration_seconds');
    const blue = { service: 'shop', upstream: 'blue' };
    const bucket = (le: string) => value(family, { ...blue, le }, '_bucket');
    expect(['0.005', '0.01', '0.025', '10', '+Inf'].map(bucket)).toEqual([1, 1, 2, 2, 3]);
    expect(value(family, blue, '_sum')).toBeCloseTo(0.022);
    expect(value(family, blue, '_count')).toBe(3);
  });

  it('show the overhead in buckets of its own', async () => {
    const overhead = (await scrape(new FakeControlPlane())).get('tealgate_overhead_seconds');
    expect(value(overhead, { service: 'shop', upstream: 'blue', le: '0.00005' }, '_bucket')).toBe(0);
  });

  it('show the phase of a rollout as one 1 among zeros, and count its transitions', async () => {
    const gate = new FakeControlPlane();
    expect((await scrape(gate)).get('tealgate_rollout_phase')?.samples).toHaveLength(0);
    await gate.startRollout('shop', 'green', {}, { actor: 'ci' });
    const families = await scrape(gate);
    const phases = families.get('tealgate_rollout_phase');
    expect(phases?.samples.filter((sample) => sample.value === 1).map((sample) => sample.labels.phase)).toEqual([
      'progressing',
    ]);
    expect(phases?.samples).toHaveLength(11);
    const transitions = families.get('tealgate_rollout_transitions_total');
    expect(value(transitions, { service: 'shop', to: 'progressing', reason: 'started' })).toBe(1);
    expect(value(families.get('tealgate_upstream_weight'), { upstream: 'green' })).toBe(5);
  });

  it('show ejected targets, and count ejections by their reason', async () => {
    const gate = new FakeControlPlane();
    gate.ejected = [{ service: 'shop', upstream: 'blue', reason: 'share', count: 2 }];
    const families = await scrape(gate);
    expect(value(families.get('tealgate_target_ejected'), { target: 'http://127.0.0.1:3001' })).toBe(0);
    expect(value(families.get('tealgate_target_ejections_total'), { upstream: 'blue', reason: 'share' })).toBe(2);
  });

  it('show the health of targets, and forget replaced ones', async () => {
    const gate = new FakeControlPlane();
    gate.setHealth('shop', 'green', 'unhealthy');
    const healthy = async () => (await scrape(gate)).get('tealgate_target_healthy');
    expect(value(await healthy(), { upstream: 'blue', target: 'http://127.0.0.1:3001' })).toBe(1);
    expect(value(await healthy(), { upstream: 'green', target: 'http://127.0.0.1:4001' })).toBe(0);
    await gate.setTargets('shop', 'green', ['http://127.0.0.1:4002'], { actor: 'ci' });
    expect(value(await healthy(), { target: 'http://127.0.0.1:4001' })).toBeUndefined();
  });

  it('show the configuration, the workers and the build', async () => {
    const gate = new FakeControlPlane();
    gate.nextReload = { lastReloadSuccessful: false, errors: ['tealgate.yaml:3:1 services: is missing'] };
    await gate.reload({ actor: 'ci' });
    const families = await scrape(gate);
    expect(value(families.get('tealgate_config_last_reload_successful'), {})).toBe(0);
    expect(value(families.get('tealgate_config_last_reload_success_timestamp_seconds'), {})).toBe(gate.now / 1000);
    expect(value(families.get('tealgate_worker_restarts_total'), {})).toBe(2);
    expect(value(families.get('tealgate_build_info'), { node: process.version })).toBe(1);
  });

  it('survive names that need escaping', async () => {
    const gate = new FakeControlPlane();
    gate.addService('a"b\\c\nd', { blue: ['http://127.0.0.1:1'] });
    const families = await scrape(gate);
    expect(value(families.get('tealgate_accepted_total'), { service: 'a"b\\c\nd' })).toBe(0);
  });
});
