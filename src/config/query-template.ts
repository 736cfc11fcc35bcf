/** What a query may name in double braces. `upstream` is the side that is asked about. */
export const QUERY_VARIABLES = ['service', 'upstream', 'stable', 'candidate'] as const;
export type QueryVariables = Readonly<Record<(typeof QUERY_VARIABLES)[number], string>>;

const BRACES = /\{\{([^{}]*)\}\}/g;

/** Names in double braces that nothing stands for. */
export function unknownVariables(query: string): string[] {
  const known: readonly string[] = QUERY_VARIABLES;
  return [...query.matchAll(BRACES)].map((match) => (match[1] ?? '').trim()).filter((name) => !known.includes(name));
}

/**
 * The query with its variables filled in. Names of services and upstreams have no character that could end the literal
 * they stand in, whatever its quotes are; one that had would be a bug, and throws.
 */
export function fillQuery(query: string, variables: QueryVariables): string {
  return query.replace(BRACES, (whole, name: string) => {
    const key = name.trim();
    const known = QUERY_VARIABLES.find((variable) => variable === key);
    if (known === undefined) return whole;
    const filled = variables[known];
    if (!/^[A-Za-z0-9._-]+$/.test(filled)) throw new Error(`${known} cannot be put into a query`);
    return filled;
  });
}
