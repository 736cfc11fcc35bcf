import { Histogram, type Registry } from 'prom-client';
import { DURATION_BOUNDS_S } from '../traffic/ledger.ts';
import type { Frame } from './frame.ts';

export interface LedgerHistogramSpec {
  readonly name: string;
  readonly help: string;
  readonly bounds: readonly number[];
  /** First of the histogram's cells in an upstream's block: one per bound, +Inf, then the sum in seconds. */
  readonly firstCell: number;
}

type Label = 'service' | 'upstream' | 'le';

/**
 * A histogram whose buckets the workers have already counted. prom-client's own takes single observations only, so the
 * reading side is replaced and the rest (name, labels, text format) kept.
 */
export class LedgerHistogram extends Histogram<Label> {
  private readonly spec: LedgerHistogramSpec;
  private readonly frame: () => Frame;

  constructor(spec: LedgerHistogramSpec, frame: () => Frame, registry: Registry) {
    const { name, help, bounds } = spec;
    super({ name, help, labelNames: ['service', 'upstream'], buckets: [...bounds], registers: [registry] });
    this.spec = spec;
    this.frame = frame;
  }

  /** What prom-client calls for the text; its type declarations leave it out. */
  async getForPromString() {
    const { name, help } = this.spec;
    const values = this.frame().upstreams.flatMap((upstream) => this.samples(upstream));
    return { name, help, type: 'histogram', values, aggregator: 'sum' };
  }

  private samples(of: Frame['upstreams'][number]) {
    const { name, bounds, firstCell } = this.spec;
    const labels = { service: of.service, upstream: of.upstream };
    let count = 0;
    const buckets = [...bounds, '+Inf'].map((le, i) => {
      count += of.cells[firstCell + i] ?? 0;
      return { metricName: `${name}_bucket`, value: count, labels: { ...labels, le } };
    });
    const sum = of.cells[firstCell + DURATION_BOUNDS_S.length + 1] ?? 0;
    return [
      ...buckets,
      { metricName: `${name}_sum`, value: sum, labels },
      { metricName: `${name}_count`, value: count, labels },
    ];
  }
}
