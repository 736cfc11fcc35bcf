import type { ServiceView } from '../../app/control-plane.ts';
import { type Html, html } from './html.ts';
import { colour } from './parts.ts';

/** Before the name of an upstream: a field named `dataset` or `closest` would hide that of its form. */
export const FIELD_PREFIX = 'weight-';

/** The split of new traffic as one bar, and in words beneath it. */
export function weightsBar(service: ServiceView): Html {
  const parts = shares(service);
  const text = parts.map(({ name, percent }) => `${name} ${percent} %`).join(', ');
  let x = 0;
  const segments = parts.map(({ name, share, index }) => {
    const width = share * 100;
    const rect = html`<rect class="${colour(name, index)}" x="${x}" y="0" width="${width}" height="10"/>`;
    x += width;
    return rect;
  });
  return html`<figure class="weights"><svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img"
    aria-label="New traffic: ${text}">${segments}</svg><figcaption>${parts.map(
      ({ name, percent, index }) =>
        html`<span><i class="dot ${colour(name, index)}"></i>${name} <b>${percent} %</b></span>`,
    )}</figcaption></figure>`;
}

/** Sets all weights of a service at once, against the version that the page shows. */
export function weightsForm(service: ServiceView): Html {
  const path = `/v1/services/${encodeURIComponent(service.name)}/weights`;
  const fields = Object.values(service.upstreams).map(
    ({ name, weight }) =>
      html`<label>${name} <input type="number" name="${FIELD_PREFIX}${name}" value="${weight}" min="0" max="1000000" step="1" required></label>`,
  );
  return html`<details class="actions" id="set-weights-${encodeURIComponent(service.name)}"><summary>Set weights</summary>
    <form data-weights="${path}" data-version="${service.version}">${fields}<button class="primary">Set</button></form></details>`;
}

function shares({ upstreams }: ServiceView) {
  const all = Object.values(upstreams);
  const total = all.reduce((sum, { weight }) => sum + weight, 0);
  return all.map(({ name, weight }, index) => {
    const share = total === 0 ? 0 : weight / total;
    return { name, share, percent: Number((share * 100).toFixed(2)), index };
  });
}
