// Choices of a metric, the section in view, rows that are shown on demand.
for (const select of document.querySelectorAll("select[data-panels]")) {
  const panels = [...document.querySelectorAll(`.panel[data-of="${select.dataset.panels}"]`)];
  const show = () => panels.forEach((panel, i) => { panel.hidden = i !== Number(select.value); });
  select.addEventListener("change", show);
  show();
}
for (const button of document.querySelectorAll("button[data-more]")) {
  button.addEventListener("click", () => {
    const rows = document.getElementById(button.dataset.more);
    rows.hidden = false;
    button.remove();
    rows.querySelector("a")?.focus();
  });
}
const links = new Map([...document.querySelectorAll(".parts a")].map(link => [link.hash.slice(1), link]));
const heads = [...links.keys()].map(id => document.getElementById(id)).filter(Boolean);
const strip = document.querySelector(".parts ul");
let current = null, waiting = false;
function mark() {
  waiting = false;
  const edge = innerHeight * 0.35;
  const top = heads.filter(head => head.getBoundingClientRect().top < edge).pop() ?? heads[0];
  if (!top || top.id === current) return;
  links.get(current)?.removeAttribute("aria-current");
  current = top.id;
  const link = links.get(current);
  link.setAttribute("aria-current", "true");
  strip.scrollTo({ left: link.offsetLeft - strip.clientWidth / 2 + link.offsetWidth / 2 });
}
for (const event of ["scroll", "resize"]) {
  addEventListener(event, () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
}
mark();
