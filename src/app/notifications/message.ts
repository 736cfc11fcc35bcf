import type { StoredEvent } from '../../store/store.ts';
import { factsOf } from './facts.ts';
import { sentenceOf } from './sentence.ts';

/** A link that performs an action, by the action. */
export type Links = Readonly<Partial<Record<'promote' | 'abort', string>>>;

/**
 * The body for receivers that read JSON: `type`, `timestamp` and `data` as Standard Webhooks has them. `data` is the
 * event's own, with a sentence for people in `message`.
 */
export function jsonMessage(event: StoredEvent, links: Links): unknown {
  const { id, type, service, actor, at, data } = event;
  const given = Object.keys(links).length === 0 ? {} : { links };
  return {
    type,
    timestamp: new Date(at).toISOString(),
    data: { ...data, event: id, service, actor, message: sentenceOf(event), ...given },
  };
}

/** The body for Slack's incoming webhooks, and for what takes their format. */
export function slackMessage(event: StoredEvent, links: Links): unknown {
  const { evidence } = factsOf(event);
  const sentence = sentenceOf(event);
  const blocks = [
    section(`${ICONS[event.type] ?? ':information_source:'} *${escapeSlack(sentence)}*`),
    ...evidence.slice(0, 5).map((line) => section(`>${escapeSlack(line).slice(0, 2900)}`)),
    ...(Object.keys(links).length === 0 ? [] : [section(linkLine(links))]),
  ];
  // Without unfurling, Slack does not ask for the links to show what is behind them.
  return { text: escapeSlack([sentence, ...evidence].join('\n')), blocks, unfurl_links: false, unfurl_media: false };
}

const ICONS: Readonly<Record<string, string>> = {
  'rollout.rolled_back': ':rotating_light:',
  'rollout.failed': ':rotating_light:',
  'rollout.aborted': ':octagonal_sign:',
  'rollout.paused': ':double_vertical_bar:',
  'rollout.promoted': ':white_check_mark:',
};

function section(text: string): unknown {
  return { type: 'section', text: { type: 'mrkdwn', text } };
}

function linkLine(links: Links): string {
  const shown = Object.entries(links).map(([action, url]) => `<${url}|${action === 'promote' ? 'Promote' : 'Abort'}>`);
  return `${shown.join('  ·  ')}  _(each works once, after a confirmation)_`;
}

/** https://docs.slack.dev/messaging/formatting-message-text#escaping: what would begin a link or a mention. */
function escapeSlack(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
