// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references look like this
import { describe, expect, it } from 'vitest';
import { describeChanges } from '../../src/config/diff.ts';
import { type LoadResult, parseConfig } from '../../src/config/load.ts';
import { TRUST_SYSTEM } from '../../src/platform/tls.ts';
import { accepted, refused, top, warned } from '../support/config-text.ts';
import { FIXTURES, ROOT } from '../support/tls.ts';

const TOKENS = 'tokens: [{name: ci, token: 0123456789abcdef, role: operator}]';
const hook = (url: string, more = ''): string => top(`webhooks: {chat: {url: "${url}"${more}}}`);
const notify = (text: string, more = ', secret: 0123456789abcdef', admin = ''): string =>
  top(`webhooks: {chat: {url: "https://c.example.com"${more}}}\nnotifications: [{${text}}]\n${admin}`);

/** A Prometheus and a webhook, with this file of authorities. */
function beside(scheme: string, ca?: string): LoadResult {
  const more = ca === undefined ? '' : `, ca: ${ca}`;
  const yaml = top(
    `prometheus: {main: {url: "${scheme}://p.example.com"${more}}}\nwebhooks: {bot: {url: "${scheme}://b.example.com"${more}}}\n`,
  );
  return parseConfig(yaml, `${FIXTURES}/f.yaml`, {});
}

describe('connections', () => {
  it('have defaults, and credentials in the form in which they are sent', () => {
    const { prometheus, webhooks, notifications } = accepted(
      top(
        `webhooks: {chat: {url: "https://c.example.com/x?y=1", secret: "\${S}"}}
prometheus: {a: {url: "http://p:9090/sub", token: t}, b: {url: "http://p", basicAuth: {user: u, password: "p:w"}}, c: {url: "http://p"}}
notifications: [{webhook: chat}]`,
      ),
      { S: 'a secret of some length' },
    );
    expect(webhooks.chat).toEqual({
      url: 'https://c.example.com/x?y=1',
      secret: 'a secret of some length',
      timeoutMs: 10_000,
      attempts: 12,
      backoffMs: 5000,
      tls: TRUST_SYSTEM,
    });
    expect(prometheus).toMatchObject({
      a: { url: 'http://p:9090/sub', authorization: 'Bearer t' },
      b: { authorization: `Basic ${Buffer.from('u:p:w').toString('base64')}` },
      c: { authorization: null },
    });
    expect(notifications).toEqual([
      { webhook: 'chat', format: 'json', events: ['rollout.*'], services: null, links: [], linkLifetimeMs: 86_400_000 },
    ]);
  });

  it.each<[string, string, RegExp]>([
    ['another scheme', hook('ftp://c.example.com'), /scheme that is spoken/],
    ['a file', hook('file:///etc/passwd'), /scheme that is spoken/],
    ['no URL', hook('chat'), /is not a URL/],
    ['credentials', hook('https://u:p@c.example.com'), /has credentials/],
    ['a line break', hook('https://c.example.com/\\r\\nx'), /control character/],
    ['a fragment', hook('https://c.example.com/#x'), /fragment/],
    ['a metadata address', hook('http://169.254.169.254/latest'), /link-local/],
    ['a metadata address in another spelling', hook('http://0xa9fea9fe/'), /link-local/],
    ['a metadata address inside IPv6', hook('http://[::ffff:a9fe:a9fe]/'), /link-local/],
    ['the admin address', hook('http://127.0.0.1:9901/v1'), /is the admin address/],
    ['the admin address by name', hook('http://localhost:9901/'), /is the admin address/],
    ['an empty secret', hook('https://c.example.com', ', secret: ""'), /is empty/],
    ['a secret of another form', hook('https://c.example.com', ', secret: whsec_abc'), /base64 of 24 to 64 bytes/],
    ['a receiver that is not there', notify('webhook: chta'), /there is no webhook chta; did you mean chat\?/],
    ['an unsigned receiver of events', notify('webhook: chat', ''), /chat has no secret/],
    ['a service that is not there', notify('webhook: chat, services: [shpo]'), /no service shpo; did you mean shop\?/],
    ['events that are no types', notify('webhook: chat, events: ["rollout.*.x"]'), /is not a type of events/],
    ['links to nowhere', notify('webhook: chat, links: [promote]'), /lead nowhere without `admin.externalUrl`/],
    ['an external URL without tokens', top('admin: {externalUrl: "https://g.example.com"}'), /needs `tokens`/],
    ['a path in it', top(`admin: {externalUrl: "https://g.example.com/x", ${TOKENS}}`), /has a path or a query/],
    [
      'two ways to prove who asks',
      top('prometheus: {a: {url: "http://p", token: t, basicAuth: {user: u, password: p}}}'),
      /says another thing than `token`/,
    ],
  ])('are refused with %s', (_, text, message) => {
    const problems = refused(text);
    expect(problems).toEqual([expect.stringMatching(message)]);
  });

  it('never show what is secret in a refusal', () => {
    const problems = refused(hook('https://u:hidden@c.example.com/hidden', ', secret: whsec_hidden'));
    expect(problems.join()).not.toContain('hidden');
  });

  it('may be unsigned for chat services, and have links where browsers get in', () => {
    const admin = `admin: {externalUrl: "https://g.example.com", ${TOKENS}}`;
    const config = accepted(notify('webhook: chat, format: slack, links: [abort]', '', admin));
    expect(config.admin.externalUrl).toBe('https://g.example.com');
  });

  it('with a short secret are warned about', () => {
    expect(warned(hook('https://c.example.com', ', secret: short'))).toEqual([
      expect.stringContaining('is short enough to be guessed'),
    ]);
  });

  it('may be believed by authorities of their own, whose file is read', () => {
    const result = beside('https', 'root.crt');
    if (!result.ok) throw new Error('was refused');
    const { prometheus, webhooks } = result.config;
    expect(prometheus.main?.tls).toMatchObject({ ca: ROOT, verify: true });
    expect(webhooks.bot?.tls).toMatchObject({ ca: ROOT, verify: true });
    expect(result.warnings).toEqual([]);
    expect(result.files).toContain(`${FIXTURES}/root.crt`);
    const before = beside('https');
    expect(before.ok && describeChanges(before.config, result.config)).toEqual([
      'prometheus main: authorities added',
      'webhook bot: authorities added',
    ]);
  });

  it('say what is wrong with the file of authorities, and where it is of no use', () => {
    const missing = beside('https', 'none-such.crt');
    expect(missing.ok ? [] : missing.problems.map(({ path, message }) => `${path}: ${message}`)).toEqual([
      'prometheus.main.ca: the file none-such.crt does not exist; check the path',
      'webhooks.bot.ca: the file none-such.crt does not exist; check the path',
    ]);
    const plain = beside('http', 'root.crt');
    expect(plain.ok ? plain.warnings.map(({ path, message }) => `${path}: ${message}`) : []).toEqual([
      'prometheus.main.ca: is not used: the URL is not https://',
      'webhooks.bot.ca: is not used: the URL is not https://',
    ]);
  });

  it('are told of on reload without URL or secret', () => {
    const before = accepted(notify('webhook: chat'));
    const after = accepted(
      top(
        'webhooks: {chat: {url: "https://c.example.com/secret-path", secret: abcdefghijklmnop}}\nnotifications: [{webhook: chat, events: ["*"]}]',
      ),
    );
    expect(describeChanges(before, after)).toEqual([
      'webhook chat: URL changed',
      'webhook chat: secret changed',
      'notifications changed',
    ]);
  });
});
