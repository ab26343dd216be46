"use strict";
// The table of all trials. Whatever a model, a memory or a file gave becomes text nodes alone: nothing here makes markup of a text.

const PAGE = 200;
const RUNGS = ["nothing", "answered", "strict JSON", "schema-valid", "code parses"];
const VALID = RUNGS.indexOf("schema-valid");
const UNPRINTABLE = /(?![\n\t])[\p{Cc}\p{Cf}]/gu;

const found = (id) => document.getElementById(id);
const number = (value, digits = 0) =>
  value === null ? "-" : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const milliseconds = (seconds) => (seconds === null ? "-" : `${number(1000 * seconds, seconds < 0.09995 ? 1 : 0)} ms`);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const codePoint = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

// Characters that cannot be seen, or that turn the text around them, are shown by their numbers.
function visible(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(UNPRINTABLE)) {
    parts.push(text.slice(end, match.index), element("span", { class: "unprintable" }, codePoint(match[0])));
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}

async function unpacked() {
  const bytes = Uint8Array.from(atob(found("data").textContent), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

const failed = (trial) => trial.outcome !== "fault" && RUNGS.indexOf(trial.outcome) < VALID;
const corrected = (trial) => trial.attempts.length > 1 && RUNGS.indexOf(trial.outcome) >= VALID;
const GROUPS = {
  "not valid": failed,
  "valid after the retry alone": corrected,
  "valid, but the code does not parse": (trial) => trial.outcome === "schema-valid" && trial.cause === "syntax",
  "valid, in another language than asked for": (trial) => trial.outcome === "schema-valid" && trial.cause !== "syntax",
};

const COLUMNS = [
  { title: "task", read: (trial) => trial.task },
  { title: "run", read: (trial) => trial.side.toUpperCase(), only: "base" },
  { title: "stack", read: (trial) => trial.stack },
  { title: "prefix cache", read: (trial) => trial.regime },
  { title: "epoch", read: (trial) => trial.epoch, show: number },
  { title: "outcome", read: (trial) => trial.outcome, rank: (trial) => RUNGS.indexOf(trial.outcome) },
  { title: "cause", read: (trial) => trial.cause },
  { title: "tries", read: (trial) => trial.attempts.length, show: number },
  { title: "TTFT", read: (trial) => trial.ttft, show: milliseconds },
  { title: "latency", read: (trial) => trial.latency, show: milliseconds },
  { title: "tokens", read: (trial) => trial.tokens, show: number },
];

function start({ trials, texts }) {
  const state = { sort: null, down: false, shown: PAGE, filters: {}, open: new Set() };
  const columns = COLUMNS.filter((column) => !column.only || trials.some((trial) => trial.side === column.only));
  const text = (place) => visible(texts[place]);

  function addFilter(title, values, holds) {
    const shown = ["all", ...values].map((value) => element("option", {}, value.replace(UNPRINTABLE, (one) => `‹${codePoint(one)}›`)));
    const select = element("select", {}, ...shown);
    select.addEventListener("change", () => {
      // An option's own text loses white space.
      const value = values[select.selectedIndex - 1];
      state.filters[title] = select.selectedIndex ? (trial) => holds(trial, value) : null;
      state.shown = PAGE;
      draw();
    });
    select.id = `filter-${title.replace(" ", "-")}`;
    found("filters").append(element("div", {}, element("label", { for: select.id }, title), select));
  }

  function addFilters() {
    for (const title of ["run", "stack", "prefix cache", "task", "outcome", "cause"]) {
      const column = columns.find((one) => one.title === title);
      const present = column ? [...new Set(trials.map(column.read))].filter(Boolean).sort() : [];
      if (title === "outcome") {
        const groups = Object.keys(GROUPS).filter((group) => trials.some(GROUPS[group]));
        const exact = present.map((outcome) => (outcome === "fault" ? outcome : `reached: ${outcome}`));
        const holds = (trial, value) =>
          GROUPS[value] ? GROUPS[value](trial) : trial.outcome === value.replace("reached: ", "");
        addFilter(title, [...groups, ...exact], holds);
      } else if (present.length > 1 || title === "cause") {
        addFilter(title, present, (trial, value) => column.read(trial) === value);
      }
    }
    found("filters").hidden = false;
  }

  function addHeads() {
    for (const column of columns) {
      const button = element("button", { type: "button" }, column.title);
      const head = element("th", { scope: "col", ...(column.show ? { class: "figure" } : {}) }, button);
      button.addEventListener("click", () => {
        state.down = state.sort === column ? !state.down : false;
        state.sort = column;
        for (const other of found("heads").children) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
        draw();
      });
      found("heads").append(head);
    }
  }

  function chosen() {
    const holds = Object.values(state.filters).filter(Boolean);
    const kept = trials.filter((trial) => holds.every((one) => one(trial)));
    if (!state.sort) return kept;
    const read = state.sort.rank ?? state.sort.read;
    const compared = (first, second) => {
      if (first === null || second === null) return (first === null) - (second === null);
      const order = typeof first === "number" ? first - second : first < second ? -1 : first > second ? 1 : 0;
      return state.down ? -order : order;
    };
    return kept.sort((first, second) => compared(read(first), read(second)));
  }

  function draw() {
    const kept = chosen();
    const shown = kept.slice(0, state.shown);
    found("rows").replaceChildren(...shown.flatMap(rows));
    tell(kept, shown);
  }

  function showMore() {
    const kept = chosen();
    const more = kept.slice(state.shown, state.shown + PAGE);
    state.shown += PAGE;
    const added = more.flatMap(rows);
    found("rows").append(...added);
    tell(kept, kept.slice(0, state.shown));
    added[0].querySelector("button").focus();
  }

  function tell(kept, shown) {
    const beyond = kept.length > shown.length ? `, the first ${number(shown.length)} are shown` : "";
    found("number").textContent = `${number(kept.length)} of ${number(trials.length)} trials${beyond}`;
    found("more").hidden = kept.length <= shown.length;
  }

  function rows(trial) {
    const button = element("button", { type: "button", class: "open", "aria-expanded": "false" }, ...visible(trial.task));
    const cells = columns.slice(1).map((column) => {
      const value = column.read(trial);
      const shown = column.show ? [column.show(value)] : visible(value);
      return element("td", column.show ? { class: "figure" } : {}, ...shown);
    });
    const made = element("tr", {}, element("th", { scope: "row" }, button), ...cells);
    const details = () => element("tr", { class: "detail" }, element("td", { colspan: columns.length }, detail(trial)));
    button.addEventListener("click", () => {
      const opens = !state.open.delete(trial);
      if (opens) {
        state.open.add(trial);
        made.after(details());
      } else made.nextSibling.remove();
      button.setAttribute("aria-expanded", String(opens));
    });
    button.setAttribute("aria-expanded", String(state.open.has(trial)));
    return state.open.has(trial) ? [made, details()] : [made];
  }

  function messages(sent, title) {
    const list = sent.flatMap(([role, place]) => [element("p", { class: "role" }, role), element("pre", {}, ...text(place))]);
    return element("details", {}, element("summary", {}, title), ...list);
  }

  function answer(parts) {
    if (parts.length === 1) return element("pre", {}, ...text(parts[0]));
    const [before, broken, after] = parts.map((place) => texts[place]);
    const mark = element("mark", { title: "here it broke" }, ...(broken ? visible(broken) : ["▲ here it ends"]));
    return element("pre", {}, ...visible(before), mark, ...visible(after));
  }

  function attempt(tried, place) {
    const sent = messages(tried.messages, `${tried.messages.length} messages, exactly as they were sent`);
    const failure = tried.failure === null ? [] : [element("p", { class: "reason" }, `${tried.cause}: `, ...text(tried.failure))];
    const correction = place
      ? [element("p", {}, "The corrective retry said:"), element("pre", {}, ...text(tried.messages[tried.messages.length - 1][1]))]
      : [];
    const figures = [
      ["prompt tokens", number(tried.prompt_tokens)],
      ["of them cached", number(tried.cached_tokens)],
      ["completion tokens", number(tried.completion_tokens)],
      ["TTFT", milliseconds(tried.ttft)],
      ["latency", milliseconds(tried.latency)],
      ["ended by", tried.finish_reason],
      ["prefix cache", tried.cache],
    ].map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, ...visible(value))));
    const thought = tried.reasoning === null ? [] : [messages([["reasoning", tried.reasoning]], "what the model thought first")];
    return [
      element("h3", {}, `${place === 0 ? "First attempt" : "Corrective retry"}: ${tried.outcome}`),
      ...correction,
      ...failure,
      answer(tried.answer),
      ...thought,
      sent,
      element("dl", { class: "facts" }, ...figures),
    ];
  }

  function attempts(tries) {
    return tries.flatMap(attempt);
  }

  function fault(met) {
    return [
      element("h3", {}, `Infrastructure fault after ${milliseconds(met.seconds)}: ${met.kind}`),
      element("p", { class: "reason" }, ...text(met.message)),
      ...(met.text === null ? [] : [element("pre", {}, ...text(met.text))]),
      ...(met.messages.length ? [messages(met.messages, `${met.messages.length} messages that had been sent`)] : []),
      ...attempts(met.attempts),
      ...remembered(met),
    ];
  }

  function remembered({ facts, retrieval }) {
    if (facts === null) return [];
    return [
      element("h3", {}, `Facts from memory (looked up in ${milliseconds(retrieval)})`),
      element("ul", {}, ...facts.map((place) => element("li", {}, ...text(place)))),
    ];
  }

  function detail(trial) {
    const preferences = trial.preferences.length === 0 ? [] : [
      element("h3", {}, "Preferences"),
      element("ul", {}, ...trial.preferences.map((one) => element("li", {}, ...visible(one)))),
    ];
    const untimed = trial.timed || trial.outcome === "fault" ? [] : [element("p", {}, "Its times count nowhere: its first call came after a fault.")];
    return element(
      "div",
      { class: "inside" },
      ...trial.faults.flatMap(fault),
      ...attempts(trial.attempts),
      ...untimed,
      ...preferences,
      ...remembered(trial),
      element("p", { class: "role" }, `begun ${trial.started}, seed ${trial.seed}`),
    );
  }

  found("more").addEventListener("click", showMore);
  addFilters();
  addHeads();
  draw();
  found("list").hidden = false;
  found("problem").hidden = true;
}

// Only what scrolls is a stop of the tabulator.
function stopAtWhatScrolls() {
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  }
}
new ResizeObserver(stopAtWhatScrolls).observe(document.body);

unpacked().then(start, (error) => {
  found("problem").setAttribute("role", "alert");
  found("problem").textContent = `The trials cannot be shown by this browser (${error}). The same is in the saved run.`;
});
