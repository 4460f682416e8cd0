"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const rows = document.getElementById("rows"), more = document.getElementById("more");
const category = document.getElementById("category"), text = document.getElementById("text"), count = document.getElementById("count");
const dialog = document.getElementById("large"), largeImage = document.getElementById("large-image"), largeText = document.getElementById("large-text");
const STEP = 24;
let shown = [], next = 0, open = null;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function picture(prompt, label, p) {
  const box = make("div", { class: "picture" + (p.w && p.w <= 256 ? " small-picture" : "") });
  if (p.src) {
    const name = `${label}, ${prompt.id}, ${p.seed === null ? "no seed" : `seed ${p.seed}`}`;
    const image = make("img", { src: p.src, width: p.w, height: p.h, loading: "lazy", alt: `${name}: ${prompt.text}` });
    const button = make("button", { type: "button", "aria-label": `enlarge ${name}` }, image);
    button.addEventListener("click", () => enlarge(button));
    button.dataset.caption = `${name} – ${prompt.text}`;
    button.dataset.pixel = p.w <= 256 ? "1" : "";
    box.append(button);
  } else {
    box.append(make("p", { class: "gone" }, make("b", { class: `status ${p.kind}` }, p.status), p.error));
  }
  const list = make("ul", { class: "scores" });
  for (const [metric, value] of Object.entries(p.scores)) list.append(make("li", {}, `${metric} `, make("b", {}, value)));
  if (list.children.length) box.append(list);
  for (const region of p.ocr ?? []) {
    const line = make("p", { class: "ocr" });
    const multi = region.some(([, piece]) => piece.includes(" "));
    region.forEach(([kind, piece], i) => {
      const tag = { "=": "span", "-": "del", "+": "ins" }[kind];
      const title = { "=": "read as asked", "-": "asked for, not read", "+": "read, not asked for" }[kind];
      line.append(make(tag, { title }, piece), multi && i + 1 < region.length ? " " : "");
    });
    box.append(line);
  }
  if (p.notes.length) box.append(make("p", { class: "scores" }, p.notes.join(" · ")));
  if (p.revised) box.append(make("p", { class: "scores" }, `revised: ${p.revised}`));
  return box;
}

function row(prompt) {
  const node = make("article", { class: "row" });
  const expected = prompt.expected.length ? ` · expected: ${prompt.expected.join(" / ")}` : "";
  node.append(make("h3", {}, prompt.text), make("p", { class: "meta" }, `${prompt.id} · ${prompt.category}${expected}`));
  const cells = make("div", { class: "cells", style: `--n:${data.labels.length}` });
  data.labels.forEach((label, i) => {
    const pictures = make("div", { class: "pictures" });
    if (prompt.cells[i].length) for (const p of prompt.cells[i]) pictures.append(picture(prompt, label, p));
    else pictures.append(make("p", { class: "gone" }, "not rendered"));
    cells.append(make("section", { class: "cell" }, make("h4", {}, label), pictures));
  });
  node.append(cells);
  return node;
}

function grow() {
  for (const prompt of shown.slice(next, next + STEP)) rows.append(row(prompt));
  next += STEP;
}

function filter() {
  const wanted = text.value.trim().toLowerCase();
  shown = data.prompts.filter(p => (!category.value || p.category === category.value)
    && (!wanted || `${p.id} ${p.text} ${p.expected.join(" ")}`.toLowerCase().includes(wanted)));
  rows.replaceChildren();
  next = 0;
  grow();
  count.textContent = `${shown.length} of ${data.prompts.length} prompts`;
}

function enlarge(button) {
  open = button;
  const image = button.querySelector("img");
  largeImage.src = image.src;
  largeImage.alt = image.alt;
  largeImage.className = button.dataset.pixel ? "pixel" : "";
  largeText.textContent = button.dataset.caption;
  if (!dialog.open) dialog.showModal();
}

dialog.addEventListener("keydown", event => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || !open) return;
  const all = [...rows.querySelectorAll(".picture button")];
  const target = all[all.indexOf(open) + step];
  if (target) enlarge(target);
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => { if (open) open.focus(); });
category.addEventListener("change", filter);
text.addEventListener("input", filter);
new IntersectionObserver(entries => { if (entries[0].isIntersecting && next < shown.length) grow(); }, { rootMargin: "1200px" }).observe(more);
filter();
