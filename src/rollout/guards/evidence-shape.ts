import { z } from 'zod';

export const count = z.int().min(0);
/** 0 to 1. */
export const share = z.number().min(0).max(1);

/** Attempts of one side, and those of them that the guard looks for. */
export const shares = z.strictObject({ trials: count, hits: count });

/** Of evidence of every kind. */
export const base = {
  guard: z.string().describe('Name of the guard.'),
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  dryRun: z.literal(true).exactOptional().describe('Its verdict moves nothing.'),
  summary: z.string().describe('One sentence for people.'),
} as const;

/** Of guards that test a rate. */
export const judgement = {
  trials: count,
  confidence: share,
  logE: z.number().describe('Natural logarithm of the e-value; the guard fails at logThreshold.'),
  logThreshold: z.number(),
} as const;
