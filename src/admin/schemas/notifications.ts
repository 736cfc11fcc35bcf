import { z } from 'zod';
import type { DeadLetter } from '../../app/control-plane.ts';

const at = z.number().describe('Milliseconds since the Unix epoch.');

const deadLetter = z
  .strictObject({
    id: z.string().describe('The `webhook-id` of each attempt.'),
    webhook: z.string().describe('Who was to be told.'),
    event: z.strictObject({ id: z.int(), type: z.string(), service: z.string().nullable(), at }),
    attempts: z.int().min(0),
    error: z.string().describe('What came of the last attempt.'),
    deadAt: at,
  })
  .meta({ id: 'DeadLetter', description: 'A notification that was given up.' }) satisfies z.ZodType<DeadLetter>;

export const deadLettersAnswer = z
  .strictObject({ deadLetters: z.array(deadLetter).describe('Newest first, at most 1,000.') })
  .meta({ id: 'DeadLetters' });

export const deadLetterParams = z.object({ id: z.string().max(200).describe('Of the dead letter.') });

export const redeliveredAnswer = z
  .strictObject({ id: z.string().describe('It is queued under the same id.') })
  .meta({ id: 'Redelivered' });
