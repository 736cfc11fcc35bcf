import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { VERSION } from '../platform/version.ts';
import { FAMILIES, type Family, HISTOGRAMS } from './families.ts';
import { type Frame, readFrame } from './frame.ts';
import { LedgerHistogram } from './ledger-histogram.ts';
import type { MetricsSource } from './metrics-source.ts';

export interface Metrics {
  /** The Prometheus text format. Scrapes at the same time share one rendering. */
  render(): Promise<{ readonly body: string; readonly contentType: string }>;
}

/**
 * The metrics of a running gate and of its process. Workers count into the ledger; prom-client sees the numbers only
 * when somebody scrapes, so that a request costs nothing here.
 */
export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  let frame: Frame | null = null;
  const current = () => {
    frame ??= readFrame(source);
    return frame;
  };
  for (const spec of HISTOGRAMS) new LedgerHistogram(spec, current, registry);
  for (const family of FAMILIES) register(family, current, registry);
  registerBuildInfo(registry);
  // The default of 10 ms would wake an idle process a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });

  let rendering: Promise<string> | null = null;
  const renderOnce = async () => {
    try {
      return await registry.metrics();
    } finally {
      frame = null;
      rendering = null;
    }
  };
  return {
    async render() {
      rendering ??= renderOnce();
      return { body: await rendering, contentType: registry.contentType };
    },
  };
}

function register(family: Family, frame: () => Frame, registry: Registry): void {
  const { name, help, labelNames } = family;
  const options = { name, help, labelNames, registers: [registry] };
  if (family.kind === 'counter') {
    new Counter({
      ...options,
      collect() {
        this.reset();
        for (const [labels, value] of family.read(frame())) this.inc({ ...labels }, value);
      },
    });
    return;
  }
  new Gauge({
    ...options,
    collect() {
      this.reset();
      for (const [labels, value] of family.read(frame())) this.set({ ...labels }, value);
    },
  });
}

function registerBuildInfo(registry: Registry): void {
  const name = 'tealgate_build_info';
  const help = 'Always 1; the labels say what is running.';
  const info = new Gauge({ name, help, labelNames: ['version', 'node'], registers: [registry] });
  info.set({ version: VERSION, node: process.version }, 1);
}
