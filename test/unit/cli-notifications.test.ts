import { describe, expect, onTestFinished, test } from 'vitest';
import { openAdmin } from '../support/admin.ts';
import { cli } from '../support/cli.ts';

async function gate() {
  const admin = await openAdmin();
  onTestFinished(() => admin.close());
  return { admin, run: (...args: string[]) => cli([...args, '--admin', `http://127.0.0.1:${admin.port}`]) };
}

describe('tealgate notifications', () => {
  test('dead-letters shows what could not be delivered, and why', async () => {
    const { run } = await gate();
    const { code, stdout } = await run('notifications', 'dead-letters');
    expect(code).toBe(0);
    expect(stdout).toBe('2026-01-02T03:04:05.000Z msg_1 chat shop rollout.paused attempts=12 answered 500\n');
    const { stdout: document } = await run('notifications', 'dead-letters', '--json');
    expect(JSON.parse(document)).toMatchObject({ deadLetters: [{ id: 'msg_1' }] });
  });

  test('redeliver sends those that are named, or all', async () => {
    const { admin, run } = await gate();
    expect(await run('notifications', 'redeliver', 'msg_1')).toEqual({
      code: 0,
      stdout: 'queued again: msg_1\n',
      stderr: '',
    });
    expect(admin.gate.events(0)).toMatchObject([{ type: 'notification.redelivered', data: { id: 'msg_1' } }]);
    expect(await run('notifications', 'redeliver', '--all')).toMatchObject({ code: 0, stdout: 'there are none\n' });
  });

  test('redeliver says what to type when nothing, both, or an unknown one was named', async () => {
    const { run } = await gate();
    for (const args of [[], ['msg_1', '--all']]) {
      const { code, stderr } = await run('notifications', 'redeliver', ...args);
      expect(code).toBe(2);
      expect(stderr).toContain('tealgate notifications dead-letters');
    }
    expect((await run('notifications', 'redeliver', 'msg_none')).code).toBe(2);
  });
});
