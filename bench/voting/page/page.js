"use strict";

/* A vote is put into the browser's own storage before anything else happens, and leaves it only when the server says that
   it is on disk. Answers are sent one after another, in the order given, until each has been answered. */

const $ = id => document.getElementById(id);
const NAMES = { left: "Left", right: "Right", tie: "Tie", bad: "Both bad" };
const KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", ArrowUp: "bad", x: "bad", X: "bad" };
const PAN = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, -10], ArrowDown: [0, 10] };
const AHEAD = 4, SMALL = 256, PATIENCE_MS = 10000, FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 2000;
const pause = ms => new Promise(done => setTimeout(done, ms));

let about = null, rater = null, shown = null, last = null, done = 0, total = 0, pace = null, sending = false, lost = false;
let queue = [], past = [], outbox = [];
const given = new Set(), pictures = new Map(), spent = [];

// -- what the browser keeps ---------------------------------------------------------------------------------------------

const kept = {
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* it is held in memory still */ } },
  drop(key) { try { localStorage.removeItem(key); } catch { /* as above */ } },
  keys() { try { return Object.keys(localStorage); } catch { return []; } },
};

function restore() {
  const head = `vote ${about.session} `;
  outbox = kept.keys().filter(key => key.startsWith(head)).sort().map(key => ({ key, ...JSON.parse(kept.get(key)) }));
}

let counter = 0;
function post(kind, said) {
  const order = `${String(Date.now()).padStart(15, "0")} ${String(counter++).padStart(6, "0")}`;
  const entry = { key: `vote ${about.session} ${order} ${said.id}`, kind, said };
  kept.set(entry.key, JSON.stringify({ kind, said }));
  outbox.push(entry);
  send();
}

// -- the server ---------------------------------------------------------------------------------------------------------

async function ask(path, said) {
  const options = { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  if (said) Object.assign(options, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(said) });
  return fetch(path, options);
}

async function send() {
  if (sending || lost) return;
  sending = true;
  let wait = FIRST_WAIT_MS;
  while (outbox.length && !lost) {
    const entry = outbox[0];
    tell();
    let answer = null, told = null;
    try { answer = await ask(entry.kind, entry.said); told = await answer.json(); } catch { /* no whole answer */ }
    if (answer && answer.status === 403) { gone(); break; }
    if (!told || answer.status >= 500) {
      away(told && told.error);
      await pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
      continue;
    }
    wait = FIRST_WAIT_MS;
    outbox.shift();
    kept.drop(entry.key);
    if (answer.ok) {
      take(told, entry.said.rater);
      tell(entry.kind === "undo" ? (told.counts ? "Taken back" : "There was nothing to take back") : told.counts ? `${NAMES[entry.said.choice]} · saved` : "Judged before; the first vote stands");
    } else {
      tell(`Not kept: ${told.error}`, true);
      if (entry.said.rater === rater) await refresh();
    }
  }
  sending = false;
  if (!outbox.length && rater && !shown) show();
}

async function refresh() {
  let wait = FIRST_WAIT_MS;
  for (;;) {
    try {
      const answer = await ask(`state?rater=${encodeURIComponent(rater ?? "")}`);
      if (answer.status === 403) return gone();
      const told = await answer.json();
      if (answer.ok) return told;
      if (answer.status < 500) return told;
      away(told.error);
    } catch { away(); }
    await pause(wait);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

function take(state, whose) {
  if (whose !== rater) return;
  ({ done, total } = state);
  pace = state.pace;
  if (!past.length && !outbox.length) last = state.last;
  const waiting = new Set(queue.map(ballot => ballot.id));
  for (const ballot of state.ballots) if (!given.has(ballot.id) && !waiting.has(ballot.id)) queue.push(ballot);
  preload();
  meter();
}

function away(why) {
  tell(outbox.length ? `${outbox.length} not saved yet: ${why ?? "the server is away"}. Trying again …` : `${why ?? "The server is away"}. Trying again …`, true);
}

function gone() {
  lost = true;
  panel("wait");
  $("wait-title").textContent = "This address is not valid any more";
  $("wait-text").textContent = "Open the address that the command printed last." + (outbox.length ? ` ${outbox.length} votes are kept in this browser until then.` : "");
}

// -- pictures -----------------------------------------------------------------------------------------------------------

function load(name) {
  if (!pictures.has(name)) pictures.set(name, fetched(name));
  return pictures.get(name);
}

async function fetched(name) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      const answer = await ask(`picture/${name}`);
      if (answer.ok) {
        const image = new Image();
        image.src = URL.createObjectURL(await answer.blob());
        await image.decode();
        image.dataset.name = name;
        image.classList.toggle("pixel", Math.max(image.naturalWidth, image.naturalHeight) <= SMALL);
        return image;
      }
      if (answer.status < 500) return null;
    } catch { away(); }
    await pause(wait);
  }
}

function preload() {
  for (const ballot of queue.slice(0, AHEAD)) { load(ballot.left); load(ballot.right); }
}

function forget(ballot) {
  for (const name of [ballot.left, ballot.right]) {
    const held = pictures.get(name);
    pictures.delete(name);
    if (held) held.then(image => image && URL.revokeObjectURL(image.src));
  }
}

// -- one ballot after another -------------------------------------------------------------------------------------------

function panel(name) {
  for (const part of document.querySelectorAll("main")) part.hidden = part.id !== name;
  if (name !== "vote") document.querySelector(`#${name} h1`).focus();
}

async function show() {
  const ballot = queue[0];
  if (!ballot) {
    shown = null;
    if (outbox.length) { panel("wait"); $("wait-title").textContent = "Waiting for the server"; $("wait-text").textContent = "Your votes are kept in this browser and sent as soon as it answers."; return; }
    return finish();
  }
  if ($("vote").hidden) { panel("vote"); $("prompt").focus(); }
  const here = shown = { ballot, ready: false, since: 0, hidden: 0 };
  $("vote").classList.add("busy");
  $("vote").dataset.ballot = "";
  $("prompt").textContent = ballot.prompt;
  $("prompt").scrollTop = 0;
  zoom(false);
  preload();
  for (const side of ["left", "right"]) { $(side).replaceChildren(); $(side).dataset.said = "loading …"; }
  const both = await Promise.all([load(ballot.left), load(ballot.right)]);
  if (shown !== here) return;
  if (both.includes(null)) {
    for (const side of ["left", "right"]) $(side).dataset.said = "This picture is gone or was rendered again; the pair is passed over.";
    tell("One pair was passed over: a picture is gone or was rendered again", true);
    given.add(ballot.id);
    queue.shift();
    return show();
  }
  ["left", "right"].forEach((side, i) => { both[i].alt = `${side === "left" ? "first" : "second"} picture`; $(side).replaceChildren(both[i]); });
  Object.assign(here, { ready: true, since: performance.now(), hidden: 0, from: document.hidden ? performance.now() : null });
  $("vote").classList.remove("busy");
  $("vote").dataset.ballot = ballot.id;
  $("live").textContent = `Pair ${position() + 1} of ${total}. ${ballot.prompt}`;
  meter();
}

function choose(choice) {
  if (!shown || !shown.ready || lost) return;
  const { ballot } = shown, id = crypto.randomUUID();
  const seconds = (performance.now() - shown.since - shown.hidden) / 1000;
  shown = null;
  given.add(ballot.id);
  past.push({ vote: id, ballot });
  queue.shift();
  if (past.length > AHEAD) forget(past[past.length - AHEAD - 1].ballot);
  spent.push(seconds);
  post("vote", { id, rater, ballot: ballot.id, choice, seconds });
  show();
}

function undo() {
  if (lost) return;
  const back = past.pop() ?? last;
  if (!back) return tell("There is nothing to take back");
  if (!past.length) last = null;
  given.delete(back.ballot.id);
  queue = [back.ballot, ...queue.filter(ballot => ballot.id !== back.ballot.id)];
  $("tally").hidden = true;
  post("undo", { id: crypto.randomUUID(), rater, vote: back.vote });
  show();
}

async function finish() {
  const state = await refresh();
  if (!state || state.error) return tell(state?.error ?? "", true);
  take(state, rater);
  if (queue.length) return show();
  panel("end");
  $("thanks").textContent = `Thank you, ${rater}.`;
  $("end-text").textContent = `You have judged ${done === total ? `all ${total}` : done} pairs, and every vote is saved. You can close this page.`;
  meter();
}

async function reveal() {
  $("end-error").textContent = "";
  let told = null, answer = null;
  try { answer = await ask(`tally?rater=${encodeURIComponent(rater)}`); told = await answer.json(); } catch { /* told below */ }
  if (!answer || !answer.ok) { $("end-error").textContent = told?.error ?? "The server is away; try again."; return; }
  const apart = new Set(told.rows.map(row => row.group)).size > 1;
  $("rows").replaceChildren(...told.rows.map(row => {
    const line = document.createElement("tr");
    const rank = (apart ? `group ${row.group}: ` : "") + (row.rank_low === row.rank_high ? row.rank : `${row.rank} (${row.rank_low}–${row.rank_high})`);
    for (const text of [rank, row.run, `${Math.round(100 * row.share)} %`, row.wins, row.ties, row.losses]) line.insertCell().textContent = text;
    return line;
  }));
  $("tally").hidden = false;
}

// -- what is said beside it ---------------------------------------------------------------------------------------------

const position = () => done + outbox.reduce((n, { kind, said }) => said.rater !== rater ? n : n + (kind === "vote" ? 1 : -1), 0);

function meter() {
  const at = Math.max(0, Math.min(position(), total));
  $("meter").hidden = false;
  $("bar").max = total || 1;
  $("bar").value = at;
  const recent = spent.slice(-20).sort((a, b) => a - b);
  const each = recent.length > 2 ? recent[recent.length >> 1] : pace, left = each * (total - at) / 60;
  const aboutLeft = left < 0.75 ? "less than a minute" : left < 90 ? `about ${Math.round(left)} min` : `about ${(left / 60).toFixed(1)} h`;
  $("pace").textContent = `${at} of ${total}`;
  $("speed").textContent = each === null || at >= total ? "" : `${each < 9.5 ? each.toFixed(1) : Math.round(each)} s a vote, ${aboutLeft} left`;
}

function tell(text, warn = false) {
  const unsent = outbox.length;
  $("saved").textContent = text ?? (unsent ? "Saving …" : "");
  $("saved").classList.toggle("away", warn);
  $("saved").dataset.unsent = unsent;
  if (warn) $("live").textContent = text;
}

const zoomed = () => $("stage").classList.contains("zoom");
function zoom(on) { $("stage").classList.toggle("zoom", on); }

// The point of both pictures that stays where it is when they grow, in per cent.
let middle = [50, 50];
function aim(...point) {
  middle = point.map(at => Math.min(100, Math.max(0, at)));
  ["--x", "--y"].forEach((key, i) => $("stage").style.setProperty(key, `${middle[i]}%`));
}

// -- hands --------------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
  const voting = !$("vote").hidden, ended = !$("end").hidden, way = event.shiftKey && PAN[event.key];
  if (event.repeat && !way) return;
  if (way && !(voting && zoomed())) return;
  if (way) aim(...middle.map((at, i) => at + way[i]));
  else if (voting && event.key in KEYS) choose(KEYS[event.key]);
  else if ((voting || ended) && (event.key === "u" || event.key === "U" || event.key === "Backspace")) undo();
  else if (voting && (event.key === "z" || event.key === "Z")) zoom(!zoomed());
  else if (voting && event.key === "Escape") zoom(false);
  else return;
  event.preventDefault();
});
for (const button of document.querySelectorAll("[data-choice]")) button.addEventListener("click", () => choose(button.dataset.choice));
for (const id of ["undo", "undo-end"]) $(id).addEventListener("click", undo);
$("reveal").addEventListener("click", reveal);
$("stage").addEventListener("pointermove", event => {
  const box = event.target.closest(".picture")?.getBoundingClientRect();
  if (box && zoomed()) aim(100 * (event.clientX - box.left) / box.width, 100 * (event.clientY - box.top) / box.height);
});
document.addEventListener("visibilitychange", () => {
  if (!shown?.ready) return;
  if (document.hidden) shown.from = performance.now();
  else if (shown.from !== null) { shown.hidden += performance.now() - shown.from; shown.from = null; }
});
addEventListener("beforeunload", event => { if (outbox.length) event.preventDefault(); });

// -- beginning ----------------------------------------------------------------------------------------------------------

function enter() {
  rater = null;
  shown = null;
  panel("name");
  $("meter").hidden = $("who").hidden = true;
  $("speed").textContent = "";
  $("rater").focus();
}

async function start(name) {
  rater = name;
  const state = await refresh();
  if (!state || lost) return;
  if (state.error) { enter(); $("name-error").textContent = state.error; return; }
  rater = state.rater;
  if (!about.fixed) kept.set("rater", rater);
  queue = [];
  past = [];
  spent.length = 0;
  given.clear();
  const unsent = new Map();
  for (const { kind, said } of outbox.filter(entry => entry.said.rater === rater)) {
    if (kind === "vote") { unsent.set(said.id, said.ballot); given.add(said.ballot); } else given.delete(unsent.get(said.vote));
  }
  $("who").textContent = about.fixed ? rater : `${rater} · change`;
  $("who").disabled = Boolean(about.fixed);
  $("who").hidden = false;
  last = state.last;
  take(state, rater);
  send();
  show();
}

$("name-form").addEventListener("submit", event => { event.preventDefault(); $("name-error").textContent = ""; start($("rater").value); });
$("who").addEventListener("click", () => { kept.drop("rater"); $("rater").value = ""; enter(); });

(async () => {
  about = await refresh();
  if (!about) return;
  restore();
  send();
  const name = about.fixed ?? kept.get("rater");
  if (name) start(name); else enter();
})();
