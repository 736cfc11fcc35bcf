const prefix = Date.now().toString(36);
let count = 0;

/** As cheap as can be: the process's own prefix and a count. */
export function requestId(): string {
  return `${prefix}-${(count++).toString(36)}`;
}
