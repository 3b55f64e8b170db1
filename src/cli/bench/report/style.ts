// The page's stylesheet, light and dark.

export const STYLE = `
:root { color-scheme: light dark; --page: #fbfaf7; --card: #ffffff; --ink: #1d1c1a; --soft: #66635c; --line: #e4e1d9; --c0: #2166c9; --c1: #d9641e; --c2: #12876b; --c3: #7d4fc4; --warn: #9a5b00; }
@media (prefers-color-scheme: dark) {
  :root { --page: #161615; --card: #1f1f1d; --ink: #f0eee8; --soft: #a29e94; --line: #35342f; --c0: #5b9bf0; --c1: #f08a4b; --c2: #3bbd9a; --c3: #ab86ea; --warn: #e0a64a; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 32px 20px 64px; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 1120px; margin: 0 auto; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 40px 0 12px; }
h3 { font-size: 14px; margin: 0 0 2px; }
p { margin: 0 0 12px; }
.soft, figcaption { color: var(--soft); font-size: 13px; }
.warn { color: var(--warn); }
.facts { display: flex; flex-wrap: wrap; gap: 4px 28px; margin: 12px 0 0; padding: 0; font-size: 13px; }
.facts div { display: flex; gap: 6px; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; font-variant-numeric: tabular-nums; }
.grid-of { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 16px 18px 10px; background: var(--card); border: 1px solid var(--line); border-radius: 8px; min-width: 0; }
figcaption { margin-bottom: 10px; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; overflow: visible; }
text { fill: var(--ink); font-variant-numeric: tabular-nums; }
text.tick { fill: var(--soft); font-size: 11px; }
line.grid { stroke: var(--line); stroke-width: 1; }
line.whisker { stroke: var(--ink); stroke-width: 1; opacity: 0.55; }
polyline.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.fill.c0, .dot.c0 { fill: var(--c0); } .fill.c1, .dot.c1 { fill: var(--c1); } .fill.c2, .dot.c2 { fill: var(--c2); } .fill.c3, .dot.c3 { fill: var(--c3); }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); } .line.c3 { stroke: var(--c3); }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0; padding: 0; list-style: none; font-size: 13px; }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
.key .c0 { background: var(--c0); } .key .c1 { background: var(--c1); } .key .c2 { background: var(--c2); } .key .c3 { background: var(--c3); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child, th.left, td.left { text-align: left; }
tr:last-child td { border-bottom: 0; }
details { margin-top: 16px; } summary { cursor: pointer; color: var(--soft); font-size: 13px; }
pre { font: 12px/1.45 ui-monospace, monospace; overflow-x: auto; }
@media print { body { padding: 0; } figure { break-inside: avoid; } }
`
