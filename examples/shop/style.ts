/** How the storefront looks, on a phone and on a desk, by day and by night. */
export const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif;
  --page: light-dark(#f6f4ef, #14181a); --card: light-dark(#fff, #1e2427); --ink: light-dark(#1d2529, #e8ecec); --soft: light-dark(#56626a, #a3b0b3);
  --line: light-dark(#e2ded4, #313a3e); --accent: light-dark(#0b6b59, #56d0b3); --on-accent: light-dark(#fff, #06231d); --picture: light-dark(#e7f0ec, #25322f); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); min-height: 100vh; display: flex; flex-direction: column; }
.wide { width: 100%; max-width: 72rem; margin: 0 auto; padding-inline: 1.25rem; }
header { border-bottom: 1px solid var(--line); background: var(--card); padding: 1.25rem 0; }
header .wide { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; }
h1 { font-size: 1.5rem; letter-spacing: -.02em; margin: 0; } header p { margin: 0; color: var(--soft); }
main { flex: 1; display: grid; grid-template-columns: 1fr 18rem; gap: 1.5rem; align-items: start; padding-block: 1.5rem; }
ul { list-style: none; margin: 0; padding: 0; } h2 { font-size: 1rem; margin: 0; }
.products { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); gap: 1rem; }
.card, .panel { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: 1rem; }
.card svg { display: block; width: 100%; height: 7rem; padding: 1.1rem; margin-bottom: .8rem; border-radius: .6rem; background: var(--picture); color: var(--accent); }
.price { margin: .1rem 0 .8rem; font-weight: 600; } small { color: var(--soft); font-weight: 400; margin-left: .3rem; }
button { width: 100%; font: inherit; font-weight: 600; padding: .5rem .8rem; border-radius: .6rem; border: 1px solid var(--accent); background: none; color: var(--accent); cursor: pointer; }
button:hover:enabled, .buy { background: var(--accent); color: var(--on-accent); } .buy:hover:enabled { filter: brightness(1.08); }
button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; } button:disabled { opacity: .45; cursor: default; }
aside { display: grid; gap: 1rem; position: sticky; top: 1rem; }
.panel h2 { margin-bottom: .6rem; } .lines li, .sum { display: flex; justify-content: space-between; gap: 1rem; color: var(--soft); }
.lines li span:last-child { font-variant-numeric: tabular-nums; } .sum { margin: .6rem 0 .8rem; padding-top: .6rem; border-top: 1px solid var(--line); color: var(--ink); }
#lines:empty + .sum { margin-top: 0; padding-top: 0; border: 0; color: var(--soft); }
#message { margin: .6rem 0 0; color: var(--accent); } #message:empty { margin: 0; }
footer { border-top: 1px solid var(--line); color: var(--soft); padding: 1rem 0; font-size: .9rem; }
@media (max-width: 46rem) {
  main { grid-template-columns: 1fr; } aside { display: contents; } aside .panel:first-child { order: -1; }
  .products { grid-template-columns: 1fr 1fr; gap: .75rem; } .card { padding: .75rem; } .card svg { height: 5.5rem; padding: .8rem; } button { padding: .5rem .4rem; }
}
`;
