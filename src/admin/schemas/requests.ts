import { z } from 'zod';
import { object } from '../../config/values.ts';

const inPath = (what: string) => z.string().describe(what);
const upstreamName = (what: string) => z.string().min(1).max(200).describe(what);

const wholeWeight = z
  .int({ error: 'must be a whole number from 0 to 1000000' })
  .min(0, 'must be a whole number from 0 to 1000000')
  .max(1_000_000, 'must be a whole number from 0 to 1000000');

export const serviceParams = z.object({ service: inPath('Name of the service.') });

export const upstreamParams = z.object({
  service: inPath('Name of the service.'),
  upstream: inPath('Name of the upstream.'),
});

export const rolloutParams = z.object({
  service: inPath('Name of the service.'),
  rollout: inPath('Id of the rollout; `current` for the newest.'),
});

export const journalQuery = object({
  after: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the id of an entry')
    .transform(Number)
    .exactOptional()
    .describe('Begin after this entry; default 0, the first.'),
});

export const waitQuery = object({
  wait: z.literal('drained').exactOptional().describe('Answer only when the draining upstreams are empty.'),
});

export const eventsQuery = object({
  since: z
    .string()
    .regex(/^\d{1,15}$/, 'must be the id of an event')
    .transform(Number)
    .exactOptional()
    .describe('Begin after this event; 0 for all of them. Without it, and without Last-Event-ID: new events only.'),
});

export const weightsBody = z
  .record(z.string().max(200), wholeWeight)
  .refine((weights) => Object.keys(weights).length > 0, 'name at least one upstream, such as {"blue": 95, "green": 5}')
  .meta({
    id: 'Weights',
    description: 'Shares of new traffic by upstream, proportional. Upstreams left out keep theirs.',
    examples: [{ blue: 95, green: 5 }],
  });

export const switchBody = object({
  to: upstreamName('The upstream that gets all new traffic; the others drain.'),
  force: z.boolean().exactOptional().describe('Also when it has no healthy target.'),
}).meta({ id: 'Switch', examples: [{ to: 'green' }] });

const total = (what: string) => z.int().min(0).max(1_000_000_000).describe(what);

export const businessBody = object({
  upstream: upstreamName('Where it happened.'),
  event: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be the name of an event, such as order')
    .describe('As in the business guard.'),
  count: total('How often it happened since the last report.'),
  of: total('Occasions for it that no request through the gate stands for; default 0.').prefault(0),
}).meta({ id: 'BusinessReport', examples: [{ upstream: 'green', event: 'order', count: 3 }] });

const urls = z.array(z.string().min(1).max(2048)).max(1000);

export const targetsBody = z
  .union([object({ targets: urls }), urls.transform((targets) => ({ targets }))], {
    error: 'give a list of URLs, such as ["http://127.0.0.1:4001"]',
  })
  .meta({ id: 'Targets', examples: [{ targets: ['http://127.0.0.1:4001'] }] });

export const startRolloutBody = z
  .looseObject({
    to: upstreamName('The candidate: the upstream to introduce.'),
    replace: z.boolean().exactOptional().describe('Aborts a rollout that runs, and starts this one in the same step.'),
  })
  .meta({
    id: 'StartRollout',
    description: 'The candidate, and any keys of the configured plan to override, written as in the configuration.',
    examples: [{ to: 'green', stages: [{ weight: 10, hold: '5m' }, { weight: 100 }] }],
  });

export const groupParams = z.object({ group: inPath('Name of the group.') });

export const startGroupBody = z
  .looseObject({
    to: z
      .union([z.string().min(1).max(200), z.record(z.string().max(200), z.string().min(1).max(200))], {
        error: 'give the name of an upstream, or that of each service',
      })
      .describe('The candidate of all services, or that of each by the name of the service.'),
    replace: z.boolean().exactOptional().describe('Aborts rollouts that run, and starts these in the same step.'),
  })
  .meta({
    id: 'StartGroupRollout',
    description:
      'The candidates, and any keys of the plan to override for all of them, written as in the configuration.',
    examples: [{ to: 'green' }, { to: { shop: 'green', cart: 'v2' } }],
  });

export const previewRolloutBody = z
  .looseObject({
    to: upstreamName('The candidate: the upstream to introduce.'),
    rate: z
      .number()
      .min(0)
      .max(1e9)
      .exactOptional()
      .describe('Requests a second to the service to reckon with; default those of the last minute.'),
  })
  .meta({
    id: 'PreviewRollout',
    description: 'As to start a rollout, with the traffic to reckon with.',
    examples: [{ to: 'green', rate: 40 }],
  });

/** For calls that need no body: none, or an empty object. */
export const emptyBody = object({}).optional();
