// The pictures side by side. Data: window.GALLERY (gallery-data.js) or the script element gallery-data; see bench/report/gallery.py.
// The files of this folder are joined in the order that bench/report/page.py gives, in one scope.
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

function number(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "share" && (value === 0 || value === 1)) return String(value);
  if (unit in UNITS) return value.toFixed(UNITS[unit]);
  const power = value ? Math.floor(Math.log10(Math.abs(value))) : 0;
  return (!value ? "0" : power < -4 ? value.toExponential(2) : value.toFixed(Math.max(0, 2 - power))) + (unit === "s" ? "\u00a0s" : "");
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
