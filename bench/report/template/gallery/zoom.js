// A prompt's pictures enlarged, panned and zoomed together.
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
  if (i !== undefined && !hidden(p)) below.append(...regions(i), ...remarks(i), scores([i], all, true) ?? "");
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

// As many columns as make the pictures largest; the height that they leave goes to what is told below them.
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
  const images = order(zoom.p).map(run => pick(zoom.p, run)).filter(i => i !== undefined).map(source).filter(Boolean);
  const spare = tall / Math.ceil(n / best[1]) - (wide / best[1]) * Math.max(1, ...images.map(image => image.height / image.width)) - 60;
  box.style.setProperty("--below", `${Math.max(112, spare)}px`);
  box.style.setProperty("--tall", wide < 720 && n > 1 ? `${wide / best[1] + 90}px` : "220px");
}

function aim() {
  const limit = v => Math.min(0, Math.max(1 - zoom.z, v));
  [zoom.x, zoom.y] = [limit(zoom.x), limit(zoom.y)];
  for (const key of ["x", "y", "z"]) $("g-panes").style.setProperty(`--${key}`, zoom[key]);
  $("g-panes").classList.toggle("g-zoomed", zoom.z > 1);
  $("g-scale").textContent = `${Math.round(100 * zoom.z)} %`;
}

function pan(x, y) {
  zoom.x += x;
  zoom.y += y;
  aim();
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
    } else pan((now.x - was.x) / box.width, (now.y - was.y) / box.height);
    down.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) panes.addEventListener(end, event => down.delete(event.pointerId));
  panes.addEventListener("dblclick", event => {
    if (!frame(event)) return;
    const box = frame(event).getBoundingClientRect();
    scale(zoom.z > 1 ? 1 / MOST_ZOOM : 3, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  });
}
