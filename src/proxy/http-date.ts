let second = -1;
let text = '';

/** The time as an IMF-fixdate (RFC 9110 §5.6.7), made anew once a second. */
export function httpDate(): string {
  const now = Date.now();
  const current = Math.floor(now / 1000);
  if (current !== second) {
    second = current;
    text = new Date(now).toUTCString();
  }
  return text;
}
