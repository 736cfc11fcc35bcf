type Fields = Readonly<Record<string, unknown>>;

/**
 * A rollout that an older version stored, in today's form; what is in it already is returned as it is. Until 0.1 a plan
 * had `guards: {errorRate, latency?}`, evidence had no `kind`, and guards judged the counts of the whole rollout.
 */
export function upgradeRollout(stored: unknown): unknown {
  if (!isMap(stored) || !isMap(stored.plan) || !isMap(stored.plan.guards)) return stored;
  const { errorRate, latency } = stored.plan.guards;
  const guards = [...named('errorRate', errorRate), ...named('latency', latency)];
  const candidate = isMap(stored.counts) ? stored.counts.candidate : undefined;
  return {
    ...stored,
    plan: { ...stored.plan, guards },
    guards: evidences(stored.guards),
    transitions: list(stored.transitions).map((transition) =>
      isMap(transition) ? { ...transition, evidence: evidences(transition.evidence) } : transition,
    ),
    guardStates: Object.fromEntries(guards.map(({ name }) => [name, candidate])),
  };
}

function named(kind: string, guard: unknown): readonly (Fields & { readonly name: string })[] {
  return isMap(guard) ? [{ name: kind, kind, ...guard }] : [];
}

function evidences(stored: unknown): readonly unknown[] {
  return list(stored).map((evidence) => (isMap(evidence) ? { ...evidence, kind: evidence.guard } : evidence));
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
