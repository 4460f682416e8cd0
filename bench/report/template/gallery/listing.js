// Which prompts are listed, and in what order.
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
