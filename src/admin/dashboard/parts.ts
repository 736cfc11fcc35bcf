import { clockTime, isoTime } from './format.ts';
import { type Html, html } from './html.ts';

/** How good a fact is: green, grey, amber, red. */
export type Tone = 'good' | 'quiet' | 'warn' | 'bad';

export function badge(text: string, tone: Tone): Html {
  return html`<span class="badge ${tone}">${text}</span>`;
}

export function time(at: number): Html {
  return html`<time datetime="${isoTime(at)}">${clockTime(at)}</time>`;
}

/** Class of an upstream's colour: its own name where that is a colour, else one of the others by its place. */
export function colour(name: string, index: number): string {
  return name === 'blue' || name === 'green' ? `c-${name}` : `c-${index % 5}`;
}

/** A button that sends a call when the page's script runs; without it there are no buttons. */
export interface CallButton {
  readonly label: string;
  readonly path: string;
  readonly body?: unknown;
  /** Asked before it is sent. */
  readonly confirm: string;
  readonly kind?: 'primary' | 'danger';
}

export function callButton({ label, path, body = {}, confirm, kind }: CallButton): Html {
  return html`<button type="button" class="${kind ?? ''}" data-call="${path}" data-body="${JSON.stringify(body)}"
    data-confirm="${confirm}">${label}</button>`;
}
