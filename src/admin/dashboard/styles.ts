/** The style sheet of the dashboard. Colours are chosen for a contrast of at least 4.5 : 1 on their ground. */
export const STYLES = `
:root {
  --ground: #f4f7f7; --card: #fff; --ink: #14201f; --faint: #566463; --line: #dbe3e2; --soft: #edf2f1;
  --accent: #0f766e; --accent-ink: #fff; --focus: #0d9488;
  --good: #15703f; --good-bg: #ddf3e6; --warn: #8a5200; --warn-bg: #fdeed0; --bad: #b3261e; --bad-bg: #fbe3e1;
  --blue: #2f6fe4; --green: #1f9d63; --c0: #8b5cf6; --c1: #d97706; --c2: #db2777; --c3: #0891b2; --c4: #65a30d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1413; --card: #141d1c; --ink: #e3ebea; --faint: #93a3a1; --line: #263331; --soft: #1b2625;
    --accent: #2dd4bf; --accent-ink: #06201d; --focus: #2dd4bf;
    --good: #6fdca0; --good-bg: #14342a; --warn: #f2c061; --warn-bg: #3a2d12; --bad: #ff9c94; --bad-bg: #43201e;
    --blue: #5b93f5; --green: #37bd80; --c0: #a78bfa; --c1: #f0a33c; --c2: #f472b6; --c3: #38bdf8; --c4: #a3d14b;
  }
}
* { box-sizing: border-box; }
.hidden { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; white-space: nowrap; }
[hidden] { display: none; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 13px/1.45 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-variant-numeric: tabular-nums; }
h1, h2, h3, p, dl, dd, ol, ul, figure, pre { margin: 0; padding: 0; }
a { color: var(--accent); }
code, pre, th[scope=row], .data, .probe, h2, h3, p, nav, figcaption, label, .card > header span { overflow-wrap: anywhere; }
code, pre, .target th { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace; font-size: 12px; }
.faint { color: var(--faint); font-size: 12px; font-weight: 400; }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 3px; }
.top { display: flex; flex-wrap: wrap; gap: 8px 28px; align-items: center; padding: 10px 20px; background: var(--card); border-bottom: 1px solid var(--line); border-top: 3px solid var(--accent); }
.top h1 { display: flex; align-items: center; gap: 8px; font-size: 17px; letter-spacing: -.01em; }
.top h1 small { font-size: 12px; font-weight: 400; color: var(--faint); }
.logo .c-blue { fill: var(--blue); } .logo .c-green { fill: var(--green); } .logo .beam { fill: var(--accent); }
.top dl { display: flex; flex-wrap: wrap; gap: 4px 24px; }
dt { color: var(--faint); font-size: 11px; }
.errors { flex-basis: 100%; color: var(--bad); }
.errors pre { margin-top: 6px; padding: 8px 10px; background: var(--bad-bg); border-radius: 5px; white-space: pre-wrap; }
main { max-width: 1320px; margin: 0 auto; padding: 16px 20px 48px; display: grid; gap: 16px; grid-template-columns: minmax(0, 1fr); }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 14px; }
nav [aria-current] { font-weight: 600; text-decoration: none; color: var(--ink); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
.card > header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 12px; }
.card > header .right { margin-left: auto; }
h2 { font-size: 16px; } h3 { font-size: 13px; font-weight: 600; display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 8px; }
.split { display: grid; gap: 10px 24px; grid-template-columns: minmax(0, 1fr); align-items: start; }
.weights svg { display: block; width: 100%; height: 12px; border-radius: 6px; background: var(--soft); }
.weights figcaption { display: flex; flex-wrap: wrap; gap: 2px 16px; margin-top: 6px; }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px; background: currentColor; }
i.c-blue { color: var(--blue); } i.c-green { color: var(--green); } i.c-0 { color: var(--c0); } i.c-1 { color: var(--c1); } i.c-2 { color: var(--c2); } i.c-3 { color: var(--c3); } i.c-4 { color: var(--c4); }
rect.c-blue { fill: var(--blue); } rect.c-green { fill: var(--green); } rect.c-0 { fill: var(--c0); } rect.c-1 { fill: var(--c1); } rect.c-2 { fill: var(--c2); } rect.c-3 { fill: var(--c3); } rect.c-4 { fill: var(--c4); }
.spark { display: inline-block; vertical-align: middle; color: var(--faint); }
.spark.c-blue { color: var(--blue); } .spark.c-green { color: var(--green); } .spark.c-0 { color: var(--c0); } .spark.c-1 { color: var(--c1); } .spark.c-2 { color: var(--c2); } .spark.c-3 { color: var(--c3); } .spark.c-4 { color: var(--c4); } .spark.c-bad { color: var(--bad); }
.spark polyline { fill: none; stroke: currentColor; stroke-width: 1.3; } .spark polygon { fill: currentColor; opacity: .14; }
.curve { white-space: nowrap; } .curve span { display: inline-block; min-width: 4.2em; }
.scroll { position: relative; overflow-x: auto; margin: 0 -16px; padding: 0 16px; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 5px 12px 5px 0; vertical-align: middle; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--faint); font-size: 11px; font-weight: 500; border-bottom: 1px solid var(--line); }
.n { text-align: right; }
tbody tr.upstream > * { border-top: 1px solid var(--line); padding-top: 7px; }
tbody tr.upstream th { font-weight: 600; }
tr.target > * { padding-top: 1px; padding-bottom: 5px; color: var(--faint); font-size: 12px; }
tr.target th { font-weight: 400; padding-left: 15px; }
td.probe { white-space: normal; min-width: 150px; }
.role { font-weight: 400; font-size: 11px; padding: 1px 6px; border-radius: 8px; border: 1px solid var(--line); color: var(--faint); margin-left: 4px; }
.role.candidate { border-color: var(--accent); color: var(--accent); }
.badge { display: inline-block; padding: 0 7px; border-radius: 9px; font-size: 11px; line-height: 18px; font-weight: 500; margin-right: 4px; white-space: nowrap; }
.badge.good { background: var(--good-bg); color: var(--good); } .badge.quiet { background: var(--soft); color: var(--faint); }
.badge.warn { background: var(--warn-bg); color: var(--warn); } .badge.bad { background: var(--bad-bg); color: var(--bad); }
span.bad, p.error { color: var(--bad); } span.warn { color: var(--warn); }
.rollout { border: 1px solid var(--line); border-left: 3px solid var(--accent); border-radius: 6px; padding: 10px 14px; display: grid; gap: 9px; grid-template-columns: minmax(0, 1fr); }
.stages { list-style: none; display: flex; flex-wrap: wrap; gap: 6px; }
.stages li { flex: 1 1 110px; padding: 4px 10px 5px; border-radius: 5px; background: var(--soft); border-bottom: 3px solid var(--line); }
.stages li b { display: block; } .stages li span { font-size: 12px; color: var(--faint); }
.stages .done { border-color: var(--accent); } .stages .done b::after { content: " ✓"; color: var(--accent); }
.stages .current { border-color: var(--accent); box-shadow: 0 0 0 1px var(--accent); } .stages .held { border-color: var(--warn); box-shadow: 0 0 0 1px var(--warn); }
.stages .stopped { border-color: var(--bad); box-shadow: 0 0 0 1px var(--bad); }
.guard { display: grid; grid-template-columns: auto auto minmax(80px, 1fr) auto; gap: 4px 8px; align-items: center; }
.guard .name { font-weight: 600; } .guard .badge { justify-self: start; } .guard p { grid-column: 1 / -1; }
.guard svg { width: 100%; height: 8px; border-radius: 4px; } .guard rect.track { fill: var(--soft); }
rect.good { fill: var(--accent); } rect.warn { fill: var(--warn); } rect.bad { fill: var(--bad); }
.plain { list-style: none; display: grid; gap: 2px; } .transitions { max-height: 132px; overflow-y: auto; }
.transitions li { display: grid; grid-template-columns: 5.2em minmax(150px, auto) minmax(0, 1fr) auto; gap: 10px; }
.transitions .why { overflow-wrap: anywhere; }
time { color: var(--faint); }
.ledger { font-size: 12px; color: var(--faint); } .ledger b { color: var(--ink); }
#unrouted:empty { display: none; }
.events td { padding-top: 3px; padding-bottom: 3px; } .events .data { color: var(--faint); white-space: normal; min-width: 220px; font-size: 12px; }
button { font: inherit; font-size: 12px; padding: 2px 10px; border-radius: 5px; border: 1px solid var(--line); background: var(--card); color: var(--ink); cursor: pointer; }
button:hover { border-color: var(--accent); color: var(--accent); }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--accent-ink); font-weight: 600; }
button.primary:hover { filter: brightness(1.08); color: var(--accent-ink); } button.danger { color: var(--bad); border-color: var(--bad); }
button[disabled] { opacity: .5; cursor: default; }
.actions { display: none; } .js div.actions { display: flex; gap: 6px; flex-wrap: wrap; } .js td.actions, .js th.actions { display: table-cell; text-align: right; } .js details.actions { display: block; } td.actions button { margin-left: 5px; }
summary { cursor: pointer; color: var(--accent); font-size: 12px; } .errors summary { color: var(--bad); font-size: 13px; }
form { display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: end; margin-top: 6px; }
label { display: grid; gap: 2px; font-size: 12px; color: var(--faint); }
input { font: inherit; width: 7.5em; padding: 2px 8px; border-radius: 5px; border: 1px solid var(--faint); background: var(--card); color: var(--ink); }
dialog { border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--ink); padding: 18px 20px; max-width: 26em; box-shadow: 0 12px 40px #0004; }
dialog::backdrop { background: #0009; } dialog form { justify-content: end; margin-top: 14px; } #login form { display: grid; margin: 0; } #login input { width: 100%; }
.live { position: fixed; left: 20px; bottom: 14px; background: var(--warn-bg); color: var(--warn); padding: 3px 12px; border-radius: 12px; font-size: 12px; }
.toast { position: fixed; right: 20px; bottom: 14px; max-width: 30em; background: var(--ink); color: var(--card); padding: 8px 14px; border-radius: 6px; } .toast.bad { background: var(--bad); }
@media (min-width: 900px) { .js .split:has(details) { grid-template-columns: minmax(0, 1fr) auto; } }
@media (max-width: 640px) {
  main { padding: 10px 8px 40px; gap: 10px; } .top { padding: 10px 12px; } .top dl { gap: 4px 16px; } .card { padding: 12px; } .scroll { margin: 0 -12px; padding: 0 12px; }
  tbody th[scope=row] { position: sticky; left: -12px; background: var(--card); padding-left: 12px; } tr.target th[scope=row] { padding-left: 22px; }
  .guard { grid-template-columns: auto 1fr; } .guard svg, .guard .faint { grid-column: 1 / -1; }
  .transitions { max-height: none; } .transitions li { grid-template-columns: 5.2em minmax(0, 1fr); gap: 0 8px; } .transitions li > :nth-child(n+3) { grid-column: 2; }
}
@media (prefers-reduced-motion: no-preference) { .stages .current { animation: pulse 2.4s ease-in-out infinite; } @keyframes pulse { 50% { box-shadow: 0 0 0 1px var(--accent), 0 0 10px -2px var(--accent); } } }
`;
