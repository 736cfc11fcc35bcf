import { z } from 'zod';
import { object } from '../../config/values.ts';

export const linkParams = z.object({ action: z.enum(['promote', 'abort']).describe('What the link does.') });

export const linkQuery = object({
  signature: z.string().min(1).max(2000).describe('As the notification has it.'),
});
