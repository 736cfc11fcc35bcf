import { z } from 'zod';
import { businessEvidence } from './business.ts';
import { collateralEvidence } from './collateral.ts';
import { compareEvidence } from './compare.ts';
import { errorRateEvidence } from './error-rate.ts';
import { errorRateVersusEvidence } from './error-rate-versus.ts';
import { latencyEvidence } from './latency.ts';
import { latencyVersusEvidence } from './latency-versus.ts';
import { metricEvidence } from './metric.ts';
import { webhookEvidence } from './webhook.ts';

/** Evidence as the admin API shows it. */
export const evidenceSchema = z
  .union([
    z.strictObject(errorRateEvidence),
    z.strictObject(errorRateVersusEvidence),
    z.strictObject(latencyEvidence),
    z.strictObject(latencyVersusEvidence),
    z.strictObject(collateralEvidence),
    z.strictObject(businessEvidence),
    z.strictObject(compareEvidence),
    z.strictObject(metricEvidence),
    z.strictObject(webhookEvidence),
  ])
  .meta({ id: 'GuardEvidence', description: 'What a guard saw and concluded.' });

/** The same as stored, where later versions may have added keys. */
export const storedEvidenceSchema = z.union([
  z.object(errorRateEvidence),
  z.object(errorRateVersusEvidence),
  z.object(latencyEvidence),
  z.object(latencyVersusEvidence),
  z.object(collateralEvidence),
  z.object(businessEvidence),
  z.object(compareEvidence),
  z.object(metricEvidence),
  z.object(webhookEvidence),
]);
