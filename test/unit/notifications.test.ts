import { describe, expect, it } from 'vitest';
import { jsonMessage, slackMessage } from '../../src/app/notifications/message.ts';
import { sentenceOf } from '../../src/app/notifications/sentence.ts';
import { isWanted } from '../../src/app/notifications/subscription.ts';
import type { NotificationConfig } from '../../src/config/config.ts';
import type { StoredEvent } from '../../src/store/store.ts';

const event = (type: string, data: object = {}, more: Partial<StoredEvent> = {}): StoredEvent => ({
  id: 7,
  type,
  service: 'shop',
  actor: 'tealgate',
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
  data: { rollout: 'r1', from: 'blue', to: 'green', ...data },
  ...more,
});

describe('the sentence about an event', () => {
  it.each<[string, object, string]>([
    ['rollout.created', {}, 'shop: a rollout from blue to green begins'],
    ['rollout.stage', { stage: 1, stages: 4, weight: 25 }, 'shop: green enters stage 2 of 4 (weight 25)'],
    [
      'rollout.rolled_back',
      { stage: 0, stages: 4, weight: 5, reason: 'error_rate' },
      'shop: green was rolled back at stage 1 of 4 (weight 5): error rate',
    ],
    ['rollout.verdict', { evidence: { guard: 'queue', verdict: 'fail' } }, 'shop: the guard queue says fail'],
    [
      'rollout.gate_refused',
      { said: 'answered fail' },
      'shop: the gate before the next stage of green said no: answered fail',
    ],
    ['target.ejected', {}, 'shop: target ejected'],
  ])('%s', (type, data, sentence) => {
    expect(sentenceOf(event(type, data))).toBe(sentence);
  });

  it('says who did it, where it was not the gate itself', () => {
    expect(sentenceOf(event('rollout.promoting', {}, { actor: 'link:chat' }))).toBe(
      'shop: green takes over from blue (by link:chat)',
    );
    expect(sentenceOf(event('config.reloaded', {}, { service: null, actor: 'SIGHUP' }))).toBe(
      'config reloaded (by SIGHUP)',
    );
  });

  it('is made of whatever an older version may have stored', () => {
    expect(sentenceOf(event('rollout.stage', { to: 5, stage: 'x', evidence: [null, 3, { summary: 4 }] }))).toContain(
      'enters stage ?',
    );
  });
});

describe('a message', () => {
  const failed = event('rollout.rolled_back', {
    stage: 0,
    stages: 1,
    reason: 'metric',
    evidence: [
      { verdict: 'pass', summary: 'all well' },
      { verdict: 'fail', summary: '<!channel> & <https://evil.example.com|click>' },
    ],
  });

  it('as JSON has what the event has, and a sentence', () => {
    expect(jsonMessage(failed, { abort: 'https://g/x' })).toMatchObject({
      type: 'rollout.rolled_back',
      timestamp: '2026-01-02T03:04:05.000Z',
      data: { event: 7, service: 'shop', rollout: 'r1', evidence: [{}, {}], links: { abort: 'https://g/x' } },
    });
  });

  it('for Slack shows the evidence that failed, and lets nothing in it be a mention or a link', () => {
    const text = JSON.stringify(slackMessage(failed, { abort: 'https://g/x?signature=y' }));
    expect(text).toContain('&lt;!channel&gt; &amp; &lt;https://evil.example.com|click&gt;');
    expect(text).not.toContain('all well');
    expect(text.match(/<[^>]*>/g)).toEqual(['<https://g/x?signature=y|Abort>']);
  });
});

describe('who is told', () => {
  const wants = (change: Partial<NotificationConfig>, of: StoredEvent): boolean =>
    isWanted(
      { webhook: 'chat', format: 'json', events: ['*'], services: null, links: [], linkLifetimeMs: 1, ...change },
      of,
    );

  it('is who asked for this type, or for all that begin so', () => {
    const paused = event('rollout.paused');
    expect(wants({ events: ['rollout.paused'] }, paused)).toBe(true);
    expect(wants({ events: ['target.ejected', 'rollout.*'] }, paused)).toBe(true);
    expect(wants({ events: ['rollout.pause'] }, paused)).toBe(false);
    expect(wants({ events: ['rollout.promoted'] }, paused)).toBe(false);
  });

  it('is who asked for this service; events of none are for those who asked for all', () => {
    expect(wants({ services: ['shop'] }, event('rollout.paused'))).toBe(true);
    expect(wants({ services: ['api'] }, event('rollout.paused'))).toBe(false);
    expect(wants({ services: ['shop'] }, event('config.reloaded', {}, { service: null }))).toBe(false);
    expect(wants({}, event('config.reloaded', {}, { service: null }))).toBe(true);
  });

  it('is nobody of what became of notifications, which would never end', () => {
    expect(wants({}, event('notification.redelivered', {}, { service: null }))).toBe(false);
  });
});
