import { z } from 'zod';
import { errorRateEvidence } from './error-rate.ts';
import { latencyEvidence } from './latency.ts';

/** Evidence as the admin API shows it. */
export const evidenceSchema = z
  .discriminatedUnion('kind', [z.strictObject(errorRateEvidence), z.strictObject(latencyEvidence)])
  .meta({ id: 'GuardEvidence', description: 'What a guard saw and concluded.' });

/** The same as stored, where later versions may have added keys. */
export const storedEvidenceSchema = z.discriminatedUnion('kind', [
  z.object(errorRateEvidence),
  z.object(latencyEvidence),
]);
