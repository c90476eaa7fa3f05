// The style of a page: one ink on paper, light or dark as the reader's is, six colours that only
// help; figures of the width that fits.
#pragma once

namespace tailor::report {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#5b6470;
--rule:#dfe3e8;--band:#f5f7f9;
--s0:#0b5cad;--s1:#b8430b;--s2:#0b7a5c;--s3:#7a35b8;--s4:#8a6508;--s5:#b3246b}
@media (prefers-color-scheme:dark){:root{--paper:#111;--ink:#eee;--soft:#a2abb6;--rule:#31363d;
--band:#1a1d21;--s0:#6db3ff;--s1:#ff9c66;--s2:#4fd6ae;--s3:#c79cff;--s4:#e8c04f;--s5:#ff8cc0}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#333;--rule:#bbb;--band:#fff}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
main{max-width:1160px;margin:0 auto;padding:20px 16px 60px}
h1{font-size:26px;line-height:1.2;margin:8px 0}
h2{font-size:19px;margin:40px 0 10px;padding-top:14px;border-top:1px solid var(--rule)}
p{margin:6px 0 12px;max-width:80ch;overflow-wrap:anywhere}
.lead{color:var(--soft)}
.scroll{overflow-x:auto;margin:10px 0 18px}
caption span{position:sticky;left:0;display:inline-block;max-width:calc(100vw - 40px)}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
caption,figcaption,summary{font-weight:600;font-size:14px;text-align:left;padding:0 0 6px}
summary{cursor:pointer}
summary h2{display:inline;padding:0;border:0}
section>details:not([open])>summary{margin:-8px 0}
th,td{padding:4px 8px;border-bottom:1px solid var(--rule);text-align:left;white-space:nowrap}
thead th{vertical-align:bottom;white-space:normal;border-bottom:1.5px solid var(--ink)}
tbody th{font-weight:600}
th.n,td.n{text-align:right}
.long{white-space:normal;min-width:36ch}
tbody tr:nth-child(even){background:var(--band)}
.figures{display:grid;grid-template-columns:minmax(0,1fr);gap:26px 36px;margin:14px 0 20px}
figure{margin:0;min-width:0;max-width:640px}
figure.full{max-width:none;grid-column:1/-1}
figure svg{display:block;width:100%;height:auto;overflow:visible}
.scroll>svg{min-width:540px}
.wide{display:none}
.full .narrow{max-width:600px}
@media (min-width:760px){figure:not(.full)>.wide{display:block}
figure:not(.full)>.narrow{display:none}}
@media (min-width:900px){.full>.wide{display:block}.full>.narrow{display:none}}
@media (min-width:1000px){.figures{grid-template-columns:repeat(2,minmax(0,1fr))}}
svg text{font-family:inherit;fill:var(--ink);font-variant-numeric:tabular-nums}
svg .t,svg text.t{font-size:12px}
svg .soft{fill:var(--soft)}
.paper{fill:var(--paper)}.ink{fill:var(--ink)}.line{fill:none;stroke:var(--ink)}
.rule{fill:none;stroke:var(--rule)}.axis{fill:none;stroke:var(--ink)}
.l{fill:none;stroke-width:1.8;stroke-linejoin:round}.m{fill:var(--paper);stroke-width:1.5}
.w{fill:none;stroke-width:1.2}
.s0{stroke:var(--s0)}.s1{stroke:var(--s1)}.s2{stroke:var(--s2)}
.s3{stroke:var(--s3)}.s4{stroke:var(--s4)}.s5{stroke:var(--s5)}
.edit{fill:none;stroke:var(--soft);stroke-dasharray:1 3}
.hit{fill:none;stroke:transparent;stroke-width:9;pointer-events:stroke}
.drop{fill:none;stroke:var(--ink);stroke-width:1.6}
.mark{fill:none;stroke:var(--ink);stroke-width:1.6}
.level{fill:none;stroke:var(--ink);stroke-width:1.2;stroke-dasharray:7 2 1 2 1 2}
.bar{fill:var(--ink)}.hollow{fill:var(--paper);stroke:var(--ink);stroke-width:1.2}
.box{fill:var(--paper);stroke:var(--ink)}.share{fill:var(--ink);fill-opacity:.13}
.way{fill:none;stroke:var(--ink);stroke-width:1.3}
.skip{fill:none;stroke:var(--s1);stroke-width:1.8;stroke-dasharray:5 3}
.head{fill:var(--ink)}
@media print{h2,figure{break-inside:avoid}}
)";

}  // namespace tailor::report
