import type { Phase } from './rollout.ts';

/**
 * Where a rollout may go from each phase, and nowhere else. `progressing` leads to itself from stage to stage,
 * and `paused` from one reason to another.
 * Once `promoting` is reached the candidate is the stable side: from there a way back is a new rollout or an undo.
 */
export const EDGES: Readonly<Record<Phase, readonly Phase[]>> = {
  pending: ['checking', 'aborted'],
  checking: ['progressing', 'paused', 'promoting', 'failed', 'aborted'],
  progressing: ['progressing', 'paused', 'returning', 'promoting', 'rolled_back', 'aborted'],
  paused: ['progressing', 'paused', 'returning', 'promoting', 'rolled_back', 'aborted'],
  returning: ['rolled_back', 'aborted'],
  promoting: ['draining', 'promoted'],
  draining: ['promoted'],
  promoted: [],
  aborted: [],
  rolled_back: [],
  failed: [],
};
