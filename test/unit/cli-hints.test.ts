import { describe, expect, test } from 'vitest';
import { CliError, EXIT } from '../../src/cli/exit.ts';
import { withHint } from '../../src/cli/hints.ts';

const conflict = new CliError(EXIT.failed, 'not now', { code: 'conflict' });

describe('the next thing to type after a conflict', () => {
  test('is about the service that the command named', async () => {
    const { hint } = await withHint(conflict, { verb: 'drain', service: 'shop', group: null }, null);
    expect(hint).toBe(
      'tealgate rollout status shop; a running rollout ends by rollout promote shop or rollout abort shop',
    );
  });

  test('is about the group in place of a service', async () => {
    const { hint } = await withHint(conflict, { verb: 'undo', service: null, group: 'release' }, null);
    expect(hint).toBe('tealgate rollout status --group release');
  });

  test('is about the group also where its gate said no', async () => {
    const refused = new CliError(EXIT.refused, 'the gate said no', { code: 'refused_by_gate' });
    const { hint } = await withHint(refused, { verb: 'rollout resume', service: null, group: 'release' }, null);
    expect(hint).toBe('tealgate rollout status --group release shows the gate');
  });

  test('is none for a gate that could not start', async () => {
    const unavailable = new CliError(EXIT.failed, 'the disk is full', { code: 'unavailable' });
    const { hint } = await withHint(unavailable, { verb: 'run', service: null, group: null }, null);
    expect(hint).toBeNull();
  });

  test.each(['run', 'reload'])('is not made up for %s, which names neither', async (verb) => {
    const { hint } = await withHint(conflict, { verb, service: null, group: null }, null);
    expect(hint).toBeNull();
  });
});
