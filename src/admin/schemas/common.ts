import { z } from 'zod';
import { ERROR_STATUS, type ErrorCode } from '../../platform/errors.ts';
import type { Problem } from '../problem.ts';

// The keys of an object literal are its codes; Object.keys only says string.
const codes = Object.keys(ERROR_STATUS) as ErrorCode[];

export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What is wrong and how to mend it.'),
    code: z.enum(codes),
    instance: z.string().exactOptional(),
    problems: z.array(z.string()).exactOptional().describe('One sentence for each thing that is wrong.'),
  })
  .meta({ id: 'Problem', description: 'An error, RFC 9457.' }) satisfies z.ZodType<Problem>;

export const statusAnswer = z.strictObject({ status: z.enum(['ok', 'unavailable']) }).meta({ id: 'ProcessStatus' });

export const eventSchema = z
  .strictObject({
    id: z.int(),
    type: z.string(),
    service: z.string().nullable(),
    actor: z.string(),
    at: z.number(),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Event', description: 'The data of each server-sent event.' });
