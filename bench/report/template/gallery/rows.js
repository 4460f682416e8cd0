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
