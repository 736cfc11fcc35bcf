/** Names of fields whose values never reach a log, in lower case. */
const SECRET_NAMES = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'token',
  'access_token',
  'password',
  'secret',
]);
const REDACTED = '[redacted]';

/**
 * A finished log line (one JSON object and a line feed) without the values of secret fields at any depth, without
 * credentials inside its texts, and without anything that could drive a terminal. Working on the finished line leaves no
 * way around it; log lines are events, not requests, so that parsing them again costs nothing that matters.
 */
export function redactLine(line: string): string {
  return `${escapeControls(JSON.stringify(JSON.parse(line), redactField))}\n`;
}

/** An error and its causes as plain data. `message`, `stack` and `cause` are not enumerable, `code` and the rest are. */
export function plainError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack, cause } = error;
  const plain = { ...error, name, message, stack };
  return cause === undefined ? plain : { ...plain, cause: plainError(cause) };
}

function redactField(name: string, value: unknown): unknown {
  if (SECRET_NAMES.has(name.toLowerCase())) return REDACTED;
  return typeof value === 'string' ? redactText(value) : value;
}

/** Credentials of an authorization field, and what a query calls a secret. */
function redactText(text: string): string {
  return text
    .replace(/\b(Bearer|Basic) +[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`)
    .replace(/([?&][\w.-]*(?:token|secret|password|signature|api[-_]?key|credential)s?=)[^&#\s"']+/gi, `$1${REDACTED}`);
}

/** JSON escapes C0 only; DEL, C1, line separators and bidirectional overrides reach a terminal as they are. */
function escapeControls(json: string): string {
  return json.replace(
    /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
