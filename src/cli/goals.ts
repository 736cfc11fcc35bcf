/** What `wait --for` can wait for: a phase of the newest rollout, or `healthy` for every target of the service. */
export const GOALS = [
  'promoted',
  'rolled_back',
  'paused',
  'aborted',
  'failed',
  'checking',
  'progressing',
  'returning',
  'promoting',
  'draining',
  'healthy',
] as const;
export type Goal = (typeof GOALS)[number];
