import { z } from 'zod';
import { storedBusiness } from './business.ts';
import { storedCollateral } from './collateral.ts';
import { storedCompare } from './compare.ts';
import { storedErrorRates } from './error-rate.ts';
import { storedLatencies } from './latency.ts';
import { storedMetric } from './metric.ts';
import { storedWebhook } from './webhook.ts';

const [errorRate, relativeErrorRate] = storedErrorRates;
const [latency, relativeLatency] = storedLatencies;

/** A guard as the plan of a rollout has it, and as the admin API shows it. */
export const guardSchema = z
  .union([
    z.strictObject(errorRate),
    z.strictObject(relativeErrorRate),
    z.strictObject(latency),
    z.strictObject(relativeLatency),
    z.strictObject(storedCollateral),
    z.strictObject(storedBusiness),
    z.strictObject(storedCompare),
    z.strictObject(storedMetric),
    z.strictObject(storedWebhook),
  ])
  .meta({ id: 'Guard', description: 'A rule that must hold during a rollout.' });

/** The same where later versions may have added keys. */
export const storedGuardSchema = z.union([
  z.object(errorRate),
  z.object(relativeErrorRate),
  z.object(latency),
  z.object(relativeLatency),
  z.object(storedCollateral),
  z.object(storedBusiness),
  z.object(storedCompare),
  z.object(storedMetric),
  z.object(storedWebhook),
]);

const noGuard = { name: z.string(), kind: z.literal('none') } as const;

/** In a stage, `none` turns a guard of the plan off. */
export const stageGuardSchema = z.union([guardSchema, z.strictObject(noGuard)]);
export const storedStageGuardSchema = z.union([storedGuardSchema, z.object(noGuard)]);
