// One prompt: its pictures, their scores and readings.
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

// Scores of a cell, a metric a line, seeds side by side in their order; with room also why one is missing.
function scores(found, metrics, roomy = false) {
  const lines = [];
  for (const metric of metrics) {
    const column = values(metric);
    if (found.every(i => column[i] === null && !(i in metric.missing))) continue;
    const why = [...new Set(found.filter(i => i in metric.missing).map(i => data.texts[metric.missing[i]]))].join("; ");
    const text = found.map(i => number(column[i], metric.unit)).join(" · ").replace(/\u00a0s(?= ·)/g, "");
    const name = el("dt", {}, metric.name), kind = why ? "g-why" : null;
    if (roomy) lines.push(el("div", { class: kind }, name, el("dd", {}, why ? `${text} ${why}` : text)));
    else lines.push(name, el("dd", { class: kind, title: why || found.map(seedWords).join(" · ") }, text));
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
