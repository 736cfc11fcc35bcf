import type { ServiceView } from '../../app/control-plane.ts';
import { isRunning } from '../views.ts';
import { words } from './format.ts';
import { type Html, html } from './html.ts';
import { badge } from './parts.ts';

/** Links to all services, for gates that have more than fit one page. */
export function serviceIndex(services: readonly ServiceView[], only: string | null): Html {
  const links = services.map(
    ({ name, rollout }) =>
      html`<li><a href="/?service=${encodeURIComponent(name)}" ${name === only && html`aria-current="page"`}>${name}</a>${
        isRunning(rollout) && badge(words(rollout.position.phase), 'good')
      }</li>`,
  );
  return html`<nav id="index" data-region aria-label="Services"><ul>${
    only !== null && html`<li><a href="/">all</a></li>`
  }${links}</ul></nav>`;
}
