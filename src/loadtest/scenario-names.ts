/** What can be done to a gate under load. */
export const SCENARIOS = ['steady', 'switch', 'canary', 'rollback', 'restart-target', 'reload'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

/** Scenarios whose load goes on until their rollout has ended. */
export const ROLLOUT_SCENARIOS: ReadonlySet<ScenarioName> = new Set(['canary', 'rollback']);
