import type { AbsoluteErrorRateGuard, AbsoluteLatencyGuard } from '../../src/config/guards/guard.ts';

/** As it is by default. */
export const ERROR_RATE: AbsoluteErrorRateGuard = { name: 'errorRate', kind: 'errorRate', max: 0.01, confidence: 0.99 };

export const LATENCY: AbsoluteLatencyGuard = {
  name: 'latency',
  kind: 'latency',
  quantile: 0.99,
  maxMs: 500,
  confidence: 0.99,
};
