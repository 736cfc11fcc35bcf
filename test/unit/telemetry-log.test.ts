import { describe, expect, it } from 'vitest';
import { TealgateError } from '../../src/platform/errors.ts';
import { createLogger } from '../../src/telemetry/log.ts';

function capture(level?: string) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createLogger(level === undefined ? { destination } : { level, destination });
  return { log, lines, last: (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? 'null') };
}

describe('the logger', () => {
  it('writes one JSON object a line with the level as a word, an ISO time and the event', () => {
    const { log, lines, last } = capture();
    log.info({ event: 'rollout.stage', service: 'shop', stage: 1 }, 'rollout entered stage 2');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/^\{"level":"info","time":"\d{4}-\d\d-\d\dT[\d:.]+Z",.*\}\n$/);
    expect(last()).toMatchObject({ event: 'rollout.stage', service: 'shop', stage: 1, msg: 'rollout entered stage 2' });
  });

  it('keeps lines below its level out', () => {
    const { log, lines } = capture('warn');
    log.info('no');
    log.warn('yes');
    expect(lines).toHaveLength(1);
  });

  it('never writes the value of a credential field, whatever its depth or case', () => {
    const { log, lines } = capture();
    log.child({ token: 's3cret-a' }).info({
      headers: { Authorization: 's3cret-b', cookie: 's3cret-c', 'Set-Cookie': ['s3cret-d'] },
      tokens: [{ name: 'ci', token: 's3cret-e' }],
    });
    log.error({ err: new TealgateError('forbidden', 'no', { details: { token: 's3cret-f' } }) });
    expect(lines.join('')).not.toContain('s3cret');
    expect(lines[0]).toContain('"name":"ci"');
  });

  it('replaces credentials inside text', () => {
    const { log, lines } = capture();
    log.warn({ path: '/x?a=1&access_token=s3cret&b=2' }, 'got Authorization: Bearer s3cret-token-value from a client');
    expect(lines[0]).toContain('/x?a=1&access_token=[redacted]&b=2');
    expect(lines[0]).toContain('Bearer [redacted] from');
  });

  it('cannot be made to write a second line or a terminal escape', () => {
    const { log, lines, last } = capture();
    const hostile = 'a\r\n{"level":"fatal"}\u001b[2J\u009b31m\u2028\u202e\u007f';
    log.info({ path: hostile }, hostile);
    expect(lines[0]?.slice(0, -1)).toMatch(/^[\x20-\x7e]*$/);
    expect(last()).toMatchObject({ path: hostile, msg: hostile });
  });

  it('writes an error with its code and its causes', () => {
    const { log, last } = capture();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    log.error({ event: 'admin.failed', err: new TealgateError('upstream_unreachable', 'no answer', { cause }) });
    expect(last().err).toMatchObject({
      code: 'upstream_unreachable',
      message: 'no answer',
      cause: { code: 'ECONNREFUSED', message: 'refused', stack: expect.stringContaining('Error: refused') },
    });
  });
});
