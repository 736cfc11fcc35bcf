import { z } from 'zod';
import { formatDuration } from '../units.ts';
import { count, duration, name, object } from '../values.ts';
import type { WebhookGuard } from './guard.ts';
import { dryRun, type GuardSettingsKind, mergeDryRun, storedBase } from './kind.ts';

export const webhookKeys = {
  webhook: name().optional().describe('Whom to ask: a name under `webhooks`.'),
  interval: duration({ minMs: 100 })
    .optional()
    .describe('From one question to the next; longer while there is no answer. Default `30s`.'),
  failures: count(1, 100).optional().describe('Answers `fail` in a row that are needed; default `1`.'),
  dryRun,
} as const;

export const storedWebhook = {
  ...storedBase,
  kind: z.literal('webhook'),
  webhook: z.string(),
  intervalMs: z.number(),
  failures: z.int().min(1),
} as const;

const keys = object(webhookKeys);

export const webhook: GuardSettingsKind<WebhookGuard, z.output<typeof keys>> = {
  check(settings, base) {
    if (settings.webhook !== undefined || base !== undefined) return [];
    return [{ path: [], atKey: true, message: 'needs `webhook`, such as `webhook: release-bot`' }];
  },
  merge(name, settings, base) {
    const { webhook: whom = base?.webhook ?? '' } = settings; // one of the two is there, or `check` refused it
    const { interval = base?.intervalMs ?? 30_000, failures = base?.failures ?? 1 } = settings;
    return {
      name,
      kind: 'webhook',
      webhook: whom,
      intervalMs: interval,
      failures,
      ...mergeDryRun(settings.dryRun, base),
    };
  },
  text: ({ webhook: whom, intervalMs }) => `${whom} is asked every ${formatDuration(intervalMs)}`,
};
