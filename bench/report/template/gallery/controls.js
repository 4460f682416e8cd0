// The bar above the rows, keys, and the beginning.
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

// By how much of a frame the picture moves, so that more is seen where the arrow points.
const PAN = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const inside = event.target.closest?.("input, select, textarea, [contenteditable]");
  if (event.key === "Escape" && inside === $("g-q")) return inside.blur();
  if (event.key === "Escape" && $("g-models").open) return closeMenu();
  if (inside || $("g-keys").open || (document.querySelector("dialog[open]") && !zoom) || !$("g-keys-on").checked) return;
  const digit = /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : -1;
  const way = zoom && event.shiftKey && PAN[event.key], jobs = zoom ? {
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
  const job = way ? () => pan(...way) : below ? null : digit >= 0 ? () => jump(digit) : Object.hasOwn(jobs, event.key) ? jobs[event.key] : null;
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
