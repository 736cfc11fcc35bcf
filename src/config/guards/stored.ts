import { z } from 'zod';
import { storedErrorRate } from './error-rate.ts';
import { storedLatency } from './latency.ts';

/** A guard as the plan of a rollout has it, and as the admin API shows it. */
export const guardSchema = z
  .discriminatedUnion('kind', [z.strictObject(storedErrorRate), z.strictObject(storedLatency)])
  .meta({ id: 'Guard', description: 'A rule that must hold during a rollout.' });

/** The same where later versions may have added keys. */
export const storedGuardSchema = z.discriminatedUnion('kind', [z.object(storedErrorRate), z.object(storedLatency)]);

const noGuard = { name: z.string(), kind: z.literal('none') } as const;

/** In a stage, `none` turns a guard of the plan off. */
export const stageGuardSchema = z.union([guardSchema, z.strictObject(noGuard)]);
export const storedStageGuardSchema = z.union([storedGuardSchema, z.object(noGuard)]);
