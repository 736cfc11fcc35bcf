import { z } from 'zod';
import { type TargetTls, TRUST_SYSTEM } from '../platform/tls.ts';
import type { Address } from './address.ts';
import type { NotificationConfig, PrometheusConfig, WebhookConfig } from './config.ts';
import { normaliseEndpoint } from './endpoint-url.ts';
import { mistake, type Parsed, value } from './parsed.ts';
import type { Finding } from './problem.ts';
import { suggest } from './suggest.ts';
import { parseTargetUrl, reachesAdmin } from './target-url.ts';
import { authoritiesPath } from './tls-schema.ts';
import { count, duration, name, object, text } from './values.ts';

const ca = () =>
  authoritiesPath
    .optional()
    .describe('PEM file with the authorities that an `https:` server is believed by, in place of those of the system.');
const endpoint = () => text(normaliseEndpoint, { example: 'https://hooks.example.com/tealgate' });
const secret = () => text(parseSecret);

const prometheusSchema = object({
  url: endpoint().describe('Base URL; `/api/v1/query` is added to it.'),
  token: secret().optional().describe('Sent as a bearer token, at best from a variable or a file.'),
  basicAuth: object({
    user: z
      .string()
      .regex(/^[^:\p{Cc}]+$/u, { error: 'give a name without colons' })
      .describe('The user.'),
    password: secret().describe('At best from a variable or a file.'),
  })
    .optional()
    .describe('Sent as HTTP basic authentication.'),
  ca: ca(),
});

/** Servers that metric guards ask, by name: plans, which the admin API shows, have no more than the name. */
export const prometheusServersSchema = z
  .record(name(), prometheusSchema)
  .prefault({})
  .describe('Servers with the HTTP API of Prometheus that metric guards ask, by name.');

const webhookSchema = object({
  url: endpoint().describe('Where requests go, by POST. Treated as a secret.'),
  secret: secret()
    .optional()
    .describe(
      'Signs each request, by the Standard Webhooks scheme; `whsec_` and base64, or any text. Only messages for Slack go without.',
    ),
  timeout: duration({ minMs: 1, maxMs: 60_000 }).prefault('10s').describe('For a whole answer.'),
  attempts: count(1, 100).prefault(12).describe('Of a notification, before it is a dead letter.'),
  backoff: duration({ minMs: 10 })
    .prefault('5s')
    .describe('Before the second attempt; doubled for each further one, up to an hour.'),
  ca: ca(),
});

/** Receivers of webhooks, by name. */
export const webhooksSchema = z
  .record(name(), webhookSchema)
  .prefault({})
  .describe('Receivers that guards and gates ask, and that notifications go to, by name.');

const notificationSchema = object({
  webhook: name().describe('Who is told: a name under `webhooks`.'),
  format: z
    .enum(['json', 'slack'])
    .prefault('json')
    .describe('`json`: the event; `slack`: a message for Slack and what takes its format (Mattermost, Rocket.Chat).'),
  events: z
    .array(text(parseEventPattern, { example: 'rollout.paused' }))
    .min(1)
    .prefault(['rollout.*'])
    .describe('Types of events, such as `rollout.paused`; `*` at the end stands for anything.'),
  services: z.array(name()).min(1).optional().describe('Only events of these; default all.'),
  links: z
    .array(z.enum(['promote', 'abort']))
    .prefault([])
    .describe(
      'Actions for which a signed link that works once is put in, where they are possible; needs `admin.externalUrl`.',
    ),
  linkLifetime: duration({ minMs: 1000, maxMs: 7 * 86_400_000 })
    .prefault('24h')
    .describe('How long such a link works.'),
});

/** What is told to whom. */
export const notificationsSchema = z
  .array(notificationSchema)
  .max(100)
  .prefault([])
  .describe('Events that are told to webhooks.');

type PrometheusSettings = z.output<typeof prometheusServersSchema>;
type WebhookSettings = z.output<typeof webhooksSchema>;

/** The sections that belong together. */
export interface ConnectionSettings {
  readonly prometheus: PrometheusSettings;
  readonly webhooks: WebhookSettings;
  readonly notifications: z.output<typeof notificationsSchema>;
}

export function toPrometheus(
  { url, token, basicAuth }: PrometheusSettings[string],
  tls: TargetTls = TRUST_SYSTEM,
): PrometheusConfig {
  if (token !== undefined) return { url, authorization: `Bearer ${token}`, tls };
  if (basicAuth === undefined) return { url, authorization: null, tls };
  const credentials = Buffer.from(`${basicAuth.user}:${basicAuth.password}`).toString('base64');
  return { url, authorization: `Basic ${credentials}`, tls };
}

export function toWebhook(webhook: WebhookSettings[string], tls: TargetTls = TRUST_SYSTEM): WebhookConfig {
  const { url, secret: key = null, timeout, attempts, backoff } = webhook;
  return { url, secret: key, timeoutMs: timeout, attempts, backoffMs: backoff, tls };
}

export function toNotification(settings: ConnectionSettings['notifications'][number]): NotificationConfig {
  const { services = null, linkLifetime, ...rest } = settings;
  return { ...rest, services, linkLifetimeMs: linkLifetime };
}

/** What is wrong between the keys of these sections and others. `externalUrl`: whether there is one. */
export function checkConnections(
  settings: ConnectionSettings,
  rest: { readonly services: readonly string[]; readonly admin: Address | null; readonly externalUrl: boolean },
): Finding[] {
  const findings: Finding[] = [];
  const endpoints = (['prometheus', 'webhooks'] as const).flatMap((section) =>
    Object.entries(settings[section]).map(([key, { url }]) => ({ path: [section, key, 'url'], url })),
  );
  for (const { path, url } of endpoints) {
    if (rest.admin === null || !reachesAdmin(parseTargetUrl(url), rest.admin)) continue;
    findings.push({ path, message: 'is the admin address; requests are never sent there' });
  }
  for (const [key, { token, basicAuth }] of Object.entries(settings.prometheus)) {
    if (token === undefined || basicAuth === undefined) continue;
    const message = 'says another thing than `token`; give one of the two';
    findings.push({ path: ['prometheus', key, 'basicAuth'], atKey: true, message });
  }
  settings.notifications.forEach((notification, i) => {
    const here = notificationFindings(notification, { ...rest, webhooks: settings.webhooks });
    findings.push(...here.map((finding) => ({ ...finding, path: ['notifications', i, ...finding.path] })));
  });
  return findings;
}

/** Authorities that nobody is held against. */
export function connectionWarnings(settings: Pick<ConnectionSettings, 'prometheus' | 'webhooks'>): Finding[] {
  return (['prometheus', 'webhooks'] as const).flatMap((section) =>
    Object.entries(settings[section]).flatMap(([key, { url, ca: file }]): Finding[] =>
      file === undefined || url.startsWith('https:')
        ? []
        : [{ path: [section, key, 'ca'], message: 'is not used: the URL is not https://' }],
    ),
  );
}

function notificationFindings(
  { webhook, format, services, links }: ConnectionSettings['notifications'][number],
  known: {
    readonly services: readonly string[];
    readonly webhooks: WebhookSettings;
    readonly externalUrl: boolean;
  },
): Finding[] {
  const findings: Finding[] = [];
  const receiver = Object.hasOwn(known.webhooks, webhook) ? known.webhooks[webhook] : undefined;
  if (receiver === undefined) {
    const mend = otherName(webhook, Object.keys(known.webhooks), 'name it under `webhooks`');
    findings.push({ path: ['webhook'], message: `there is no webhook ${webhook}; ${mend}` });
  } else if (format === 'json' && receiver.secret === undefined) {
    const message = `${webhook} has no secret, and events are told signed; give webhooks.${webhook}.secret`;
    findings.push({ path: ['webhook'], message });
  }
  services?.forEach((service, i) => {
    if (known.services.includes(service)) return;
    const mend = otherName(service, known.services, 'leave `services` out for all');
    findings.push({ path: ['services', i], message: `there is no service ${service}; ${mend}` });
  });
  if (links.length > 0 && !known.externalUrl) {
    const message = 'lead nowhere without `admin.externalUrl`; say there how browsers reach the admin endpoint';
    findings.push({ path: ['links'], atKey: true, message });
  }
  return findings;
}

function otherName(given: string, known: readonly string[], otherwise: string): string {
  const meant = suggest(given, known);
  return meant === null ? otherwise : `did you mean ${meant}?`;
}

/** Never says what the secret is. */
function parseSecret(raw: string): Parsed<string> {
  if (raw === '') return mistake('is empty; give a secret, or leave it out');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u001f\u007f]/.test(raw))
    return mistake('has a line break or a control character; a secret is one line');
  if (!raw.startsWith('whsec_')) return value(raw);
  const bytes = Buffer.from(raw.slice('whsec_'.length), 'base64').length;
  return bytes >= 24 && bytes <= 64
    ? value(raw)
    : mistake('begins with whsec_, and then needs base64 of 24 to 64 bytes');
}

function parseEventPattern(raw: string): Parsed<string> {
  if (/^(?:[a-z_]+\.)*(?:[a-z_]+|\*)$/.test(raw)) return value(raw);
  return mistake('is not a type of events; write one such as rollout.paused, or rollout.* for all of a kind');
}
