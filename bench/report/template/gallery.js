// The pictures side by side. Data: window.GALLERY (gallery-data.js) or the script element gallery-data; see bench/report/gallery.py.
(() => {
"use strict";
const $ = id => document.getElementById(id);
const ROWS_BEYOND = 1.2, LEAST_ROWS = 4, MOST_ZOOM = 24, TYPING_MS = 1000;
const DEFAULTS = { category: "", q: "", show: "", sort: "", metric: "", a: "", b: "", way: "", blind: "", prompt: "" };
const UNITS = { share: 3, cosine: 3, similarity: 3, "edits/char": 3 };
let data, names, prompts, starts, haystack;
let state = { ...DEFAULTS, model: [] }, listed = null, view = [], keys = null;
const revealed = new Set();
let revealAll = false;

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(key, value);
  node.append(...children.filter(child => child !== null));
  return node;
}
const options = (select, pairs) => select.replaceChildren(...pairs.map(([value, text]) => {
  const option = el("option", {}, text);
  option.value = value;
  return option;
}));

// ---- values ------------------------------------------------------------------------------------------------------------

function number(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "share" && (value === 0 || value === 1)) return String(value);
  if (unit in UNITS) return value.toFixed(UNITS[unit]);
  const digits = value ? Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))) : 0;
  return value.toFixed(Math.min(digits, 4)) + (unit === "s" ? "\u00a0s" : "");
}

function values(metric) {
  if (metric.at) {
    const whole = new Array(data.pictures.run.length).fill(null);
    metric.at.forEach((i, n) => { whole[i] = metric.values[n]; });
    delete metric.at;
    metric.values = whole;
  }
  return metric.values;
}

// Mean over seeds, a number a prompt and model, at prompt * models + model; NaN where there is none.
function means(metric) {
  if (metric.means) return metric.means;
  const column = values(metric), count = new Uint16Array(prompts.id.length * names.length), mean = new Float64Array(count.length);
  for (let p = 0; p < prompts.id.length; p++) for (let i = starts[p]; i < starts[p + 1]; i++) {
    if (column[i] === null) continue;
    const at = p * names.length + data.pictures.run[i];
    count[at]++;
    mean[at] += column[i];
  }
  for (let at = 0; at < mean.length; at++) mean[at] = count[at] ? mean[at] / count[at] : NaN;
  metric.means = mean;
  return mean;
}

const cell = (p, run) => {
  const found = [];
  for (let i = starts[p]; i < starts[p + 1]; i++) if (data.pictures.run[i] === run) found.push(i);
  return found;
};
const chosen = () => names.map((_, run) => run).filter(run => !state.model.length || state.model.includes(names[run]));
const metricOf = () => data.metrics.find(m => m.name === state.metric) ?? data.metrics[data.shown[0] ?? 0];
const statusOf = i => data.statuses[data.pictures.status[i]];

// ---- blind -------------------------------------------------------------------------------------------------------------

const hidden = p => Boolean(state.blind) && !revealAll && !revealed.has(p);

// The models of a prompt in the order shown: blind, an order of the prompt's own, the same every time.
function order(p) {
  const runs = chosen();
  if (!state.blind) return runs;
  let seed = 2166136261;
  for (const letter of prompts.id[p]) seed = Math.imul(seed ^ letter.codePointAt(0), 16777619);
  const random = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  for (let i = runs.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [runs[i], runs[j]] = [runs[j], runs[i]];
  }
  return runs;
}
const called = (p, run, place) => hidden(p) ? `Picture ${String.fromCharCode(65 + place)}` : names[run];
const dot = (p, run) => hidden(p) ? null : el("span", { class: "g-dot", style: `background:${data.runs[run].colour}` });

// ---- address -----------------------------------------------------------------------------------------------------------

function address(of = state) {
  const words = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS)) if (of[key]) words.set(key, of[key]);
  for (const name of of.model) words.append("model", name);
  return String(words);
}

// The state that the address tells; null where it is an anchor of the page.
function told() {
  const raw = location.hash.slice(1);
  if (raw && !raw.includes("=")) return null;
  const words = new URLSearchParams(raw), found = { ...DEFAULTS, model: words.getAll("model").filter(name => names.includes(name)) };
  for (const key of Object.keys(DEFAULTS)) found[key] = words.get(key) ?? "";
  for (const key of ["category", "show", "sort"]) if (![...$(`g-${key}`).options].some(o => o.value === found[key])) found[key] = "";
  if (!data.metrics.some(m => m.name === found.metric)) found.metric = "";
  for (const key of ["a", "b"]) if (!names.includes(found[key])) found[key] = "";
  if (!prompts.id.includes(found.prompt)) found.prompt = "";
  return found;
}

let typed = 0;
function remember(how, zoom = false) {
  if (how === "type") {
    how = Date.now() - typed < TYPING_MS ? "replace" : "push";
    typed = Date.now();
  }
  const hash = address(), url = hash ? `#${hash}` : location.pathname + location.search;
  if (hash === location.hash.slice(1) && how === "push") return;
  try {
    history[how === "push" ? "pushState" : "replaceState"](how === "push" ? { zoom } : history.state, "", url);
  } catch {
    location.hash = hash;
  }
}

function change(part, how = "push") {
  Object.assign(state, part);
  remember(how);
  refresh();
}

// ---- what is listed ----------------------------------------------------------------------------------------------------

function passes(p, runs, wanted) {
  if (state.category && data.categories[prompts.category[p]] !== state.category) return false;
  if (wanted && !haystack[p].includes(wanted)) return false;
  if (!state.show) return true;
  for (let i = starts[p]; i < starts[p + 1]; i++) {
    if (!runs.has(data.pictures.run[i])) continue;
    const kind = statusOf(i)[1];
    if (state.show === "text" ? values(data.metrics[data.text])[i] < 1 && values(data.metrics[data.text])[i] !== null
      : state.show === "gone" ? kind !== "ok" : kind === state.show) return true;
  }
  return false;
}

function list() {
  const runs = new Set(chosen()), wanted = state.q.trim().toLowerCase();
  view = [];
  for (let p = 0; p < prompts.id.length; p++) if (passes(p, runs, wanted)) view.push(p);
  keys = null;
  if (!state.sort || !data.metrics.length) return;
  const metric = metricOf(), mean = means(metric), n = names.length, up = metric.higher === false ? -1 : 1;
  keys = new Map();
  let falling = true;
  if (state.sort === "diff") {
    const { a, b, way } = difference();
    for (const p of view) {
      const gap = up * (mean[p * n + a] - mean[p * n + b]);
      keys.set(p, way ? gap : Math.abs(gap));
    }
    falling = way !== "b";
  } else {
    const one = names.indexOf(state.a), over = one >= 0 ? [one] : [...runs];
    for (const p of view) {
      const known = over.map(run => mean[p * n + run]).filter(v => !Number.isNaN(v));
      keys.set(p, known.length ? known.reduce((x, y) => x + y) / known.length : NaN);
    }
    falling = (state.way !== "low") === (up > 0);
  }
  view.sort((p, q) => {
    const x = keys.get(p), y = keys.get(q);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return falling ? y - x : x - y;
  });
}

function difference() {
  const a = Math.max(0, names.indexOf(state.a)), other = names.findIndex((_, run) => run !== a);
  const b = names.includes(state.b) && state.b !== names[a] ? names.indexOf(state.b) : other;
  return { a, b, way: state.way };
}

// What a prompt was sorted by, in words.
function reason(p) {
  if (!keys || hidden(p)) return null;
  const metric = metricOf(), unit = metric.unit;
  if (state.sort === "score") return Number.isNaN(keys.get(p)) ? `${metric.name}: no score` : `${metric.name} ${number(keys.get(p), unit)}`;
  const { a, b } = difference(), mean = means(metric), n = names.length;
  const gap = (mean[p * n + a] - mean[p * n + b]) * (metric.higher === false ? -1 : 1);
  if (Number.isNaN(gap)) return `${metric.name}: not scored for both`;
  if (!gap) return `${metric.name}: equal`;
  const how = metric.higher === null ? "higher" : "ahead";
  return `${metric.name}: ${names[gap > 0 ? a : b]} ${how} by ${number(Math.abs(gap), unit)}`;
}

// ---- a row -------------------------------------------------------------------------------------------------------------

function regions(i) {
  return (data.ocr[i] ?? []).map(region => {
    const line = el("p", { class: "g-ocr" }), words = region.some(piece => piece.slice(1).includes(" "));
    region.forEach((piece, n) => {
      const [tag, title] = { "=": ["span", "read as asked"], "-": ["del", "asked for, not read"], "+": ["ins", "read, not asked for"] }[piece[0]];
      const hint = { "-": "missing: ", "+": "added: " }[piece[0]];
      line.append(el(tag, { title }, hint ? el("span", { class: "g-hidden" }, hint) : "", piece.slice(1)), words && n + 1 < region.length ? " " : "");
    });
    return line;
  });
}

function remarks(i) {
  const said = [];
  if (i in data.notes) said.push(data.texts[data.notes[i]]);
  if (i in data.revised) said.push(`revised: ${data.texts[data.revised[i]]}`);
  return said.map(text => el("p", { class: "g-told" }, text));
}

function source(i) {
  const file = data.pictures.file[i];
  return file < 0 ? null : { src: data.folder + data.files.src[file], width: data.files.width[file], height: data.files.height[file] };
}
const small = image => Math.max(image.width, image.height) <= 256;
const seedWords = i => data.pictures.seed[i] === null ? "no seed" : `seed ${data.pictures.seed[i]}`;

function gone(p, i) {
  const [words, kind] = i === undefined ? ["not rendered", ""] : statusOf(i);
  const why = i !== undefined && i in data.error && !hidden(p) ? data.texts[data.error[i]] : "";
  return el("div", { class: "g-gone" }, el("b", { class: kind }, words), why);
}

function picture(p, run, place, i, several) {
  const box = el("div", { class: "g-picture" }), image = source(i);
  if (image) {
    const name = `${called(p, run, place)}, ${seedWords(i)}`;
    const button = el("button", { type: "button", "aria-label": `enlarge ${name}: ${prompts.text[p]}` },
      el("img", { ...image, alt: `${name}: ${prompts.text[p]}`, decoding: "async", class: small(image) ? "g-pixel" : null }));
    button.addEventListener("click", () => enlarge(p, run, data.pictures.seed[i]));
    box.append(button);
  } else box.append(gone(p, i));
  if (several) box.append(el("p", { class: "g-seed" }, seedWords(i)));
  if (!hidden(p)) box.append(...regions(i), ...remarks(i));
  return box;
}

// Scores of a cell, a metric a line, seeds side by side in their order.
function scores(found, metrics, wrap = (...pair) => pair) {
  const lines = [];
  for (const metric of metrics) {
    const column = values(metric);
    if (found.every(i => column[i] === null && !(i in metric.missing))) continue;
    const why = [...new Set(found.filter(i => i in metric.missing).map(i => data.texts[metric.missing[i]]))].join("; ");
    const text = found.map(i => number(column[i], metric.unit)).join(" · ").replace(/\u00a0s(?= ·)/g, "");
    lines.push(...wrap(el("dt", {}, metric.name), el("dd", { class: why ? "g-why" : null, title: why || found.map(seedWords).join(" · ") }, text)));
  }
  return lines.length ? el("dl", { class: "g-scores" }, ...lines) : null;
}

function row(p, position) {
  const runs = order(p), cells = runs.map(run => cell(p, run)), most = Math.max(1, ...cells.map(found => found.length));
  const across = Math.min(most, runs.length <= 2 ? 4 : runs.length === 3 ? 3 : 2);
  const node = el("article", { class: "g-row", tabindex: "-1", "aria-posinset": position + 1, "aria-setsize": view.length, "aria-labelledby": `g-p${p}` });
  const meta = el("div", { class: "g-meta" }, el("a", { href: `#${address({ ...state, prompt: prompts.id[p] })}`, title: "link to this prompt" }, prompts.id[p]),
    el("span", {}, data.categories[prompts.category[p]]));
  if (prompts.expected[p]) meta.append(el("span", {}, `expected: ${prompts.expected[p].join(" / ")}`));
  const why = reason(p);
  if (why) meta.append(el("span", { class: "g-key" }, why));
  if (hidden(p)) {
    const button = el("button", { type: "button", class: "g-button" }, "Reveal");
    button.addEventListener("click", () => reveal(p));
    meta.append(button);
  }
  const grid = el("div", { class: `g-cells${runs.length < 3 ? " g-few" : ""}`, style: `--n:${runs.length};--s:${across};--least:${Math.max(150, across * 88)}px;--most:${Math.max(380, across * 230)}px` });
  runs.forEach((run, place) => {
    const found = cells[place], pictures = el("div", { class: "g-pictures" });
    if (found.length) pictures.append(...found.map(i => picture(p, run, place, i, most > 1)));
    else pictures.append(gone(p));
    const label = called(p, run, place), made = found.filter(i => source(i));
    grid.append(el("section", { class: "g-cell", "aria-label": label }, el("h4", {}, ...[dot(p, run)].filter(Boolean), label), pictures,
      hidden(p) || !made.length ? null : scores(made, data.shown.map(m => data.metrics[m]))));
  });
  node.append(el("h3", { id: `g-p${p}` }, prompts.text[p]), meta, grid);
  node.dataset.prompt = p;
  return node;
}

function reveal(p) {
  revealed.add(p);
  const node = drawn.get(p);
  if (!node) return;
  const fresh = row(p, view.indexOf(p));
  node.replaceWith(fresh);
  drawn.set(p, fresh);
  if (!zoom) fresh.focus({ preventScroll: true });
  draw();
}

// ---- the window of rows ------------------------------------------------------------------------------------------------
// Only rows near the screen exist; padding stands for the others. Heights are guessed until a row was there once, and what
// a guess was wrong by is scrolled away, so that the row at the top of the screen stays where it is.

const rows = () => $("g-rows");
let heights, usual = 420, tops = [0], drawn = new Map(), current = -1;

function measure() {
  tops = new Float64Array(view.length + 1);
  view.forEach((p, i) => { tops[i + 1] = tops[i] + (heights[p] || usual); });
}

function at(y) {
  let low = 0, high = view.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tops[middle + 1] <= y) low = middle + 1; else high = middle;
  }
  return Math.min(low, Math.max(0, view.length - 1));
}

const bar = () => getComputedStyle($("g-bar")).position === "sticky" ? $("g-bar").getBoundingClientRect().bottom : 0;

function draw(anchor = null, wantedTop = 0) {
  const box = rows().getBoundingClientRect(), beyond = innerHeight * ROWS_BEYOND;
  if (!view.length) {
    drawn.clear();
    rows().replaceChildren();
    rows().style.padding = "0";
    return;
  }
  if (anchor === null) {
    anchor = at(Math.max(0, Math.max(0, bar()) - box.top));
    const there = drawn.get(view[anchor]);
    wantedTop = there ? there.getBoundingClientRect().top : box.top + tops[anchor];
  }
  const visible = anchor === null ? -box.top : tops[anchor] - wantedTop;
  const first = at(visible - beyond), last = Math.min(view.length - 1, Math.max(first + LEAST_ROWS, at(visible + innerHeight + beyond)));
  const wanted = new Set(view.slice(first, last + 1));
  for (const [p, node] of drawn) if (!wanted.has(p)) {
    node.remove();
    drawn.delete(p);
  }
  let before = rows().firstChild;
  for (let i = first; i <= last; i++) {
    const p = view[i];
    let node = drawn.get(p);
    if (!node) {
      node = row(p, i);
      drawn.set(p, node);
      rows().insertBefore(node, before);
    } else if (node === before) before = node.nextSibling;
    else rows().insertBefore(node, before);
  }
  let known = 0;
  for (const [p, node] of drawn) known += heights[p] = node.offsetHeight;
  usual = known / drawn.size;
  measure();
  rows().style.padding = `${tops[first]}px 0 ${tops[view.length] - tops[last + 1]}px`;
  const off = drawn.get(view[anchor]).getBoundingClientRect().top - wantedTop;
  if (Math.abs(off) > 0.5 && box.top < innerHeight) scrollBy({ top: off, behavior: "instant" });
}

let waiting = 0;
const soon = () => { waiting ||= requestAnimationFrame(() => { waiting = 0; draw(); }); };

function redraw() {
  for (const node of drawn.values()) node.remove();
  drawn.clear();
  measure();
  draw();
}

function show(position) {
  if (!view.length) return;
  current = Math.max(0, Math.min(view.length - 1, position));
  const top = $("g-bar").offsetHeight + parseFloat(getComputedStyle($("g-bar")).top || 0) + 4;
  scrollBy({ top: rows().getBoundingClientRect().top + tops[current] - top, behavior: "instant" });
  draw(current, top);
  draw();
  drawn.get(view[current])?.focus({ preventScroll: true });
}

// The row that has the focus, else the one last gone to while it is on the screen; -1 for neither.
function held() {
  const focused = document.activeElement?.closest?.(".g-row");
  if (focused) return view.indexOf(Number(focused.dataset.prompt));
  const last = drawn.get(view[current])?.getBoundingClientRect();
  return last && last.bottom > 0 && last.top < innerHeight ? current : -1;
}

const topmost = () => at(Math.max(0, bar() + 8 - rows().getBoundingClientRect().top));
const here = () => held() < 0 ? topmost() : held();

// To the next or the previous row; from nowhere, to the first that shows its head, or the one before.
function go(by) {
  if (held() >= 0) return show(held() + by);
  const first = topmost(), whole = rows().getBoundingClientRect().top + tops[first] >= bar() - 8;
  show(by > 0 ? first + !whole : first - whole);
}

// ---- enlarged ----------------------------------------------------------------------------------------------------------

let zoom = null, came = null;
const unreachable = new Set();

function enlarge(p, run = null, seed = undefined, how = "push") {
  came = document.activeElement;
  state.prompt = prompts.id[p];
  remember(how, true);
  open(p, run, seed);
}

function open(p, run = null, seed = undefined) {
  const seeds = [...new Set(order(p).flatMap(r => cell(p, r)).map(i => data.pictures.seed[i]))].sort((x, y) => x - y);
  zoom = { p, seeds, seed: seeds.includes(seed) ? seed : seeds[0], solo: null, z: 1, x: 0, y: 0, run };
  fill();
  if (!$("g-zoom").open) $("g-zoom").showModal();
  const place = order(p).indexOf(run);
  fit();
  ($("g-panes").querySelectorAll("h4 button")[place] ?? $("g-next")).focus({ preventScroll: true });
}

function pick(p, run) {
  const found = cell(p, run);
  return found.find(i => data.pictures.seed[i] === zoom.seed) ?? (found.length === 1 || zoom.seeds.length === 1 ? found[0] : undefined);
}

// The picture with all its pixels, once it has come; the thumbnail stays where it never does.
function sharpen(image, i) {
  const base = data.runs[data.pictures.run[i]].base;
  if (!base || !(i in data.pictures.original) || unreachable.has(base)) return;
  const whole = new Image();
  whole.onload = () => { image.src = whole.src; };
  whole.onerror = () => unreachable.add(base);
  whole.src = `${base}/${data.pictures.original[i]}`.split("/").map(encodeURIComponent).join("/");
}

function pane(p, run, place) {
  const i = pick(p, run), image = i === undefined ? null : source(i), label = called(p, run, place);
  const alone = zoom.solo === run;
  const name = el("button", { type: "button", class: "g-button", "aria-current": alone, title: alone ? "all models" : "this model alone" },
    place < 9 ? el("kbd", { "aria-hidden": "true" }, String(place + 1)) : null, ...[dot(p, run)].filter(Boolean), label);
  name.addEventListener("click", () => solo(run));
  const frame = el("div", { class: "g-view" });
  if (image) {
    const shown = el("img", { src: image.src, draggable: "false", alt: `${label}, ${seedWords(i)}: ${prompts.text[p]}`, class: small(image) ? "g-pixel" : null });
    frame.append(shown);
    sharpen(shown, i);
  } else frame.append(gone(p, i));
  const all = [...new Set([...data.shown.map(m => data.metrics[m]), ...data.metrics])];
  const below = el("div", { class: "g-below", tabindex: "0", role: "group", "aria-label": `about ${label}` });
  if (i !== undefined && !hidden(p)) below.append(...regions(i), ...remarks(i), scores([i], all, (dt, dd) => [el("div", {}, dt, dd)]) ?? "");
  return el("section", { class: "g-pane", "aria-label": label }, el("h4", {}, name), frame, below.childNodes.length ? below : null);
}

function fill() {
  const { p } = zoom, runs = order(p), position = view.indexOf(p);
  $("g-zoom-title").textContent = prompts.text[p];
  const expected = prompts.expected[p] ? ` · expected: ${prompts.expected[p].join(" / ")}` : "";
  $("g-zoom-meta").textContent = `${prompts.id[p]} · ${data.categories[prompts.category[p]]}${expected}`;
  $("g-place").textContent = position < 0 ? "–" : `${position + 1} of ${view.length}`;
  $("g-previous").disabled = position === 0;
  $("g-next").disabled = position >= view.length - 1;
  $("g-all").hidden = zoom.solo === null;
  $("g-zoom-reveal").hidden = !hidden(p);
  $("g-seeds").replaceChildren(...(zoom.seeds.length > 1 ? zoom.seeds.map(seed => {
    const button = el("button", { type: "button", class: "g-button", "aria-pressed": seed === zoom.seed }, seed === null ? "no seed" : `seed ${seed}`);
    button.addEventListener("click", () => turn(seed));
    return button;
  }) : []));
  const shown = runs.map((run, place) => [run, place]).filter(([run]) => zoom.solo === null || run === zoom.solo);
  $("g-panes").replaceChildren(...shown.map(([run, place]) => pane(p, run, place)));
  $("g-zoom").classList.toggle("g-solo", zoom.solo !== null);
  fit();
  aim();
}

// As many columns as make the pictures largest.
function fit() {
  if (!zoom) return;
  const box = $("g-panes"), n = box.childElementCount, wide = box.clientWidth, tall = box.clientHeight;
  if (!wide) return;
  let best = [0, 1];
  for (let columns = 1; columns <= n; columns++) {
    const edge = Math.min(wide / columns, Math.max(150, tall / Math.ceil(n / columns) - 130));
    if (edge > best[0] + 1) best = [edge, columns];
  }
  if (wide < 720) best[1] = Math.min(n, 2);
  box.style.setProperty("--columns", best[1]);
  box.style.setProperty("--tall", wide < 720 && n > 1 ? `${wide / best[1] + 90}px` : "220px");
}

function aim() {
  const limit = v => Math.min(0, Math.max(1 - zoom.z, v));
  [zoom.x, zoom.y] = [limit(zoom.x), limit(zoom.y)];
  for (const key of ["x", "y", "z"]) $("g-panes").style.setProperty(`--${key}`, zoom[key]);
  $("g-panes").classList.toggle("g-zoomed", zoom.z > 1);
  $("g-scale").textContent = `${Math.round(100 * zoom.z)} %`;
}

// Zoom by a factor about a point of the picture's frame, in shares of it.
function scale(by, u = 0.5, v = 0.5) {
  const z = Math.min(MOST_ZOOM, Math.max(1, zoom.z * by));
  zoom.x = u - (u - zoom.x) * (z / zoom.z);
  zoom.y = v - (v - zoom.y) * (z / zoom.z);
  zoom.z = z;
  aim();
}

function solo(run) {
  zoom.solo = zoom.solo === run ? null : run;
  const place = zoom.solo === null ? order(zoom.p).indexOf(run) : 0;
  fill();
  $("g-panes").querySelectorAll("h4 button")[place]?.focus();
}

function turn(seed) {
  zoom.seed = seed;
  fill();
  $("g-seeds").querySelector("[aria-pressed=true]")?.focus();
}

function step(by) {
  const p = view[view.indexOf(zoom.p) + by], { solo: alone, run, seed } = zoom;
  if (p === undefined || view.indexOf(zoom.p) < 0) return;
  state.prompt = prompts.id[p];
  remember("replace");
  const focus = document.activeElement;
  open(p, run, seed);
  if (alone !== null) solo(alone);
  if (focus?.isConnected && !focus.disabled) focus.focus();
  for (let i = starts[p + 1]; i < (starts[p + 2] ?? 0); i++) if (source(i)) new Image().src = source(i).src;
}

function closed() {
  const last = zoom;
  zoom = null;
  $("g-panes").replaceChildren();
  if (state.prompt) {
    state.prompt = "";
    if (history.state?.zoom) history.back(); else remember("replace");
  }
  const position = last ? view.indexOf(last.p) : -1;
  if (came?.isConnected && came.closest(".g-row")?.dataset.prompt === String(last?.p)) came.focus({ preventScroll: true });
  else if (position >= 0) show(position);
}

// Pointers on the pictures: one drags, two pinch.
function pointers(panes) {
  const down = new Map();
  const frame = event => event.target.closest?.(".g-view");
  panes.addEventListener("wheel", event => {
    if (!frame(event)) return;
    event.preventDefault();
    const box = frame(event).getBoundingClientRect(), lines = event.deltaMode === 1 ? 18 : 1;
    scale(Math.exp(-event.deltaY * lines * 0.0022), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }, { passive: false });
  panes.addEventListener("pointerdown", event => {
    if (!frame(event) || event.button) return;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    frame(event).setPointerCapture(event.pointerId);
  });
  panes.addEventListener("pointermove", event => {
    const was = down.get(event.pointerId), on = frame(event);
    if (!was || !on || !zoom) return;
    const box = on.getBoundingClientRect(), now = { x: event.clientX, y: event.clientY };
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const spread = Math.hypot(now.x - other.x, now.y - other.y) / Math.max(1, Math.hypot(was.x - other.x, was.y - other.y));
      scale(spread, ((now.x + other.x) / 2 - box.left) / box.width, ((now.y + other.y) / 2 - box.top) / box.height);
    } else {
      zoom.x += (now.x - was.x) / box.width;
      zoom.y += (now.y - was.y) / box.height;
      aim();
    }
    down.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) panes.addEventListener(end, event => down.delete(event.pointerId));
  panes.addEventListener("dblclick", event => {
    if (!frame(event)) return;
    const box = frame(event).getBoundingClientRect();
    scale(zoom.z > 1 ? 1 / MOST_ZOOM : 3, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  });
}

// ---- controls ----------------------------------------------------------------------------------------------------------

function controls() {
  for (const key of ["category", "show", "sort"]) $(`g-${key}`).value = state[key];
  if ($("g-q").value !== state.q) $("g-q").value = state.q;
  const field = id => $(id).closest("label"), diff = state.sort === "diff", pairs = names.map(name => [name, name]);
  for (const id of ["g-metric", "g-a", "g-way"]) field(id).hidden = !state.sort;
  field("g-b").hidden = !diff;
  if (state.sort && data.metrics.length) {
    const metric = metricOf();
    $("g-metric").value = metric.name;
    $("g-a-name").textContent = diff ? "between" : "of";
    if (diff) {
      const { a, b } = difference(), how = metric.higher === null ? "higher" : "ahead";
      options($("g-a"), pairs);
      options($("g-b"), pairs.filter(([name]) => name !== names[a]));
      options($("g-way"), [["", "largest either way"], ["a", `${names[a]} furthest ${how}`], ["b", `${names[b]} furthest ${how}`]]);
      [$("g-a").value, $("g-b").value, $("g-way").value] = [names[a], names[b], state.way === "low" ? "" : state.way];
    } else {
      options($("g-a"), [["", "mean of the models"], ...pairs]);
      const ends = metric.higher === null ? ["highest", "lowest"] : ["best", "worst"];
      options($("g-way"), [["", `${ends[0]} first`], ["low", `${ends[1]} first`]]);
      [$("g-a").value, $("g-way").value] = [state.a, state.way === "low" ? "low" : ""];
    }
  }
  const runs = chosen();
  $("g-models").querySelectorAll("input").forEach((box, run) => { box.checked = runs.includes(run); });
  $("g-models").querySelector("summary").textContent = runs.length === names.length ? "Models" : `${runs.length} of ${names.length} models`;
  $("g-blind").setAttribute("aria-pressed", Boolean(state.blind));
  $("g-reveal").hidden = !state.blind;
  $("g-reveal").textContent = revealAll ? "Hide again" : "Reveal all";
  $("g-reset").hidden = !address({ ...state, prompt: "" });
  const lacking = keys ? view.filter(p => Number.isNaN(keys.get(p))).length : 0;
  $("g-count").textContent = `${view.length} of ${prompts.id.length} prompts${lacking ? `, ${lacking} without a score last` : ""}`;
  $("g-none").hidden = view.length > 0;
  $("g-none").textContent = "No prompt fits these filters.";
}

function refresh() {
  const now = address({ ...state, prompt: "" });
  if (now !== listed) {
    const before = listed;
    listed = now;
    heights.fill(0);
    list();
    controls();
    current = -1;
    redraw();
    if (before !== null && rows().getBoundingClientRect().top < bar() - 1) {
      scrollBy({ top: rows().getBoundingClientRect().top - bar(), behavior: "instant" });
      draw();
    }
  }
  if (zoom && state.prompt && prompts.id[zoom.p] === state.prompt) fill();
  else if (state.prompt) open(prompts.id.indexOf(state.prompt), null, zoom?.seed);
  else if ($("g-zoom").open) $("g-zoom").close();
}

function blind() {
  revealed.clear();
  revealAll = false;
  change({ blind: state.blind ? "" : "1" });
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const inside = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (event.key === "Escape" && inside === $("g-q")) return inside.blur();
  if (event.key === "Escape" && $("g-models").open) return closeMenu();
  if (inside || $("g-keys").open || (document.querySelector("dialog[open]") && !zoom) || !$("g-keys-on").checked) return;
  const digit = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
  const jobs = zoom ? {
    ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => seedBy(-1), ArrowDown: () => seedBy(1),
    "+": () => scale(1.5), "=": () => scale(1.5), "-": () => scale(1 / 1.5), "−": () => scale(1 / 1.5), 0: () => scale(1 / MOST_ZOOM),
    j: () => step(1), k: () => step(-1), r: () => { reveal(zoom.p); fill(); },
  } : {
    j: () => go(1), k: () => go(-1), "/": () => { $("g-bar").scrollIntoView({ block: "nearest" }); $("g-q").focus(); },
    r: () => { const p = view[here()]; if (p !== undefined && hidden(p)) reveal(p); },
  };
  if (event.target.classList?.contains("g-row")) jobs.Enter = () => enlarge(Number(event.target.dataset.prompt));
  Object.assign(jobs, { b: blind, "?": () => $("g-keys").showModal() });
  const below = zoom && event.target.closest?.(".g-below") && ["ArrowUp", "ArrowDown"].includes(event.key);
  const job = below ? null : digit >= 0 ? () => jump(digit) : Object.hasOwn(jobs, event.key) ? jobs[event.key] : null;
  if (!job) return;
  event.preventDefault();
  job();
}

function seedBy(by) {
  const next = zoom.seeds[zoom.seeds.indexOf(zoom.seed) + by];
  if (next !== undefined) turn(next);
}

function jump(place) {
  const run = chosen().length > place ? order(zoom ? zoom.p : view[Math.max(0, here())] ?? 0)[place] : undefined;
  if (run === undefined) return;
  if (zoom) return solo(run);
  if (!view.length) return;
  const position = Math.max(0, here());
  if (!drawn.get(view[position])?.contains(document.activeElement)) show(position);
  const box = drawn.get(view[position]).querySelectorAll(".g-cell")[place];
  box.scrollIntoView({ block: "nearest", inline: "start" });
  box.querySelector("button")?.focus({ preventScroll: true });
}

function closeMenu() {
  $("g-models").open = false;
  $("g-models").querySelector("summary").focus();
}

function listen() {
  for (const key of ["category", "show", "sort", "metric", "a", "b", "way"]) {
    $(`g-${key}`).addEventListener("change", event => change(key === "sort" ? { sort: event.target.value, a: "", b: "", way: "" } : { [key]: event.target.value }));
  }
  $("g-q").addEventListener("input", event => change({ q: event.target.value }, "type"));
  $("g-bar").addEventListener("submit", event => event.preventDefault());
  $("g-models").addEventListener("change", event => {
    const boxes = [...$("g-models").querySelectorAll("input")], on = names.filter((_, run) => boxes[run].checked);
    if (!on.length) event.target.checked = true;
    else change({ model: on.length === names.length ? [] : on });
  });
  document.addEventListener("click", event => { if (!$("g-models").contains(event.target)) $("g-models").open = false; });
  $("g-filters").addEventListener("click", event => event.currentTarget.setAttribute("aria-expanded", $("g-bar").classList.toggle("g-open")));
  $("g-blind").addEventListener("click", blind);
  $("g-reveal").addEventListener("click", () => { revealAll = !revealAll; if (!revealAll) revealed.clear(); controls(); redraw(); });
  $("g-reset").addEventListener("click", () => { change({ ...DEFAULTS, model: [] }); $("g-q").focus(); });
  $("g-help").addEventListener("click", () => $("g-keys").showModal());
  $("g-close").addEventListener("click", () => $("g-zoom").close());
  $("g-previous").addEventListener("click", () => step(-1));
  $("g-next").addEventListener("click", () => step(1));
  $("g-all").addEventListener("click", () => solo(zoom.solo));
  $("g-zoom-reveal").addEventListener("click", () => { reveal(zoom.p); fill(); });
  $("g-in").addEventListener("click", () => scale(1.5));
  $("g-out").addEventListener("click", () => scale(1 / 1.5));
  $("g-zoom").addEventListener("close", closed);
  pointers($("g-panes"));
  document.addEventListener("keydown", press);
  addEventListener("scroll", soon, { passive: true });
  addEventListener("popstate", () => {
    const found = told();
    if (!found) return;
    state = found;
    refresh();
  });
  let wide = 0;
  new ResizeObserver(([entry]) => {
    if (Math.abs(entry.contentRect.width - wide) < 1) return;
    wide = entry.contentRect.width;
    heights.fill(0);
    soon();
    fit();
  }).observe(rows());
}

function start() {
  const inline = $("gallery-data");
  data = window.GALLERY ?? (inline && JSON.parse(inline.textContent));
  if (!data) {
    $("g-none").hidden = false;
    $("g-none").textContent = "The pictures' data is missing: gallery-data.js and the folder thumbs belong beside this page.";
    return;
  }
  names = data.runs.map(run => run.name);
  prompts = data.prompts;
  starts = new Uint32Array(prompts.id.length + 1);
  prompts.pictures.forEach((count, p) => { starts[p + 1] = starts[p] + count; });
  haystack = prompts.id.map((id, p) => `${id}\n${prompts.text[p]}\n${(prompts.expected[p] ?? []).join("\n")}`.toLowerCase());
  heights = new Float64Array(prompts.id.length);
  options($("g-category"), [["", "all"], ...data.categories.map(name => [name, name])]);
  options($("g-metric"), data.metrics.map(metric => [metric.name, metric.name]));
  if (data.text === null) $("g-show").querySelector("[value=text]").remove();
  if (!data.metrics.length) $("g-sort").closest("label").style.display = "none";
  else if (names.length < 2) $("g-sort").querySelector("[value=diff]").remove();
  if (names.length < 2) for (const id of ["g-models", "g-blind"]) $(id).style.display = "none";
  $("g-models").querySelector("fieldset").append(...names.map((name, run) =>
    el("label", { class: "g-check" }, el("input", { type: "checkbox" }), el("span", { class: "g-dot", style: `background:${data.runs[run].colour}` }), el("span", {}, name))));
  state = told() ?? state;
  listen();
  refresh();
}

if (document.readyState === "complete") start(); else document.addEventListener("DOMContentLoaded", start);
})();
