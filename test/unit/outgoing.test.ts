import { describe, expect, it, onTestFinished } from 'vitest';
import { isLinkLocal } from '../../src/platform/link-local.ts';
import { type OutgoingRequest, sendOutgoing } from '../../src/platform/outgoing.ts';
import { signWebhook } from '../../src/platform/standard-webhooks.ts';
import { openReceiver, type ReceiverAnswer } from '../support/receiver.ts';

const never = new AbortController().signal;

function requestTo(url: string, change: Partial<OutgoingRequest> = {}): OutgoingRequest {
  return { method: 'POST', url, headers: {}, body: '{}', timeoutMs: 5000, signal: never, ...change };
}

async function receiver(answer: ReceiverAnswer | null) {
  const opened = await openReceiver(() => answer);
  onTestFinished(() => opened.close());
  return opened;
}

describe('a request of the control plane', () => {
  it('brings back status, body and what the receiver says about trying again', async () => {
    const { url } = await receiver({ status: 429, body: 'slow down', headers: { 'retry-after': '7' } });
    const answer = await sendOutgoing(requestTo(url));
    expect(answer).toEqual({ kind: 'answered', status: 429, body: 'slow down', retryAfterMs: 7000 });
  });

  it('does not follow redirects', async () => {
    const elsewhere = await receiver({ status: 200 });
    const { url } = await receiver({ status: 307, headers: { location: elsewhere.url } });
    expect(await sendOutgoing(requestTo(url))).toMatchObject({ kind: 'answered', status: 307 });
    expect(elsewhere.received).toEqual([]);
  });

  it('takes an answer that is too long for none', async () => {
    const { url } = await receiver({ status: 200, body: 'x'.repeat(101) });
    expect(await sendOutgoing(requestTo(url, { maxBytes: 100 }))).toEqual({
      kind: 'unanswered',
      detail: 'the answer is longer than 100 bytes',
    });
  });

  it('gives up after its timeout and says so', async () => {
    const { url } = await receiver(null);
    expect(await sendOutgoing(requestTo(url, { timeoutMs: 30 }))).toEqual({
      kind: 'unanswered',
      detail: 'no whole answer within 30 ms',
    });
  });

  it('tells that nobody listens without showing the URL', async () => {
    const { url, close } = await openReceiver();
    await close();
    const answer = await sendOutgoing(requestTo(`${url}/T000/secret`));
    expect(answer).toMatchObject({ kind: 'unanswered', detail: expect.stringContaining('ECONNREFUSED') });
    expect(JSON.stringify(answer)).not.toContain('secret');
  });

  it('rejects when its signal ends, before and while it waits', async () => {
    await expect(sendOutgoing(requestTo('http://127.0.0.1:9/', { signal: AbortSignal.abort() }))).rejects.toThrow();
    const { url } = await receiver(null);
    const stop = new AbortController();
    const answer = sendOutgoing(requestTo(url, { signal: stop.signal }));
    stop.abort();
    await expect(answer).rejects.toThrow();
  });

  it('never goes to a link-local address', async () => {
    for (const host of ['169.254.169.254', '[fe80::1]', '[::ffff:169.254.169.254]', '[fd00:ec2::254]']) {
      const answer = await sendOutgoing(requestTo(`http://${host}/latest/meta-data`));
      expect(answer).toMatchObject({ kind: 'unanswered', detail: expect.stringContaining('link-local') });
    }
  });
});

describe('link-local addresses', () => {
  it('are told from others in every spelling', () => {
    expect(['169.254.0.1', 'fe80::1', 'fd00:ec2::254', '::ffff:169.254.169.254'].map(isLinkLocal)).toEqual(
      Array(4).fill(true),
    );
    expect(['127.0.0.1', '10.0.0.1', '::1', 'fd00:ec2::253', 'metadata', ''].map(isLinkLocal)).toEqual(
      Array(6).fill(false),
    );
  });
});

describe('a signed webhook', () => {
  it('has the signature that the Standard Webhooks specification gives for its example', () => {
    const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: 1_614_265_330_000, body: '{"test": 2432232314}' };
    expect(signWebhook(message, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });
});
