import { z } from 'zod';

export const linkParams = z.object({ action: z.enum(['promote', 'abort']).describe('What the link does.') });

export const linkQuery = z.strictObject({
  signature: z.string().min(1).max(2000).describe('As the notification has it.'),
});
