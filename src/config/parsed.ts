/** What reading a piece of text gives: a value, or what is wrong with it and what would be right. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly mistake: string };

export function value<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function mistake(text: string): { readonly ok: false; readonly mistake: string } {
  return { ok: false, mistake: text };
}

/** Text as it is shown in a message: in quotes, control characters escaped, cut at 60 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}
