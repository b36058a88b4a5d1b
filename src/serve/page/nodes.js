// Nodes of the document. What comes from elsewhere goes in as text, and stays text.

const find = (id) => document.getElementById(id);

/** An element `name`, or `name.class.class`; its parts are nodes, text, and what is left out (null). */
function make(name, attributes, ...within) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length > 0) node.className = classes.join(" ");
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(attribute, value);
  }
  node.append(...within.flat(Infinity).filter((part) => part !== null));
  return node;
}

/** A shape from the document's own set: one outline, and a sign in it. */
function shape(...names) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("class", "shape");
  picture.setAttribute("viewBox", "0 0 20 20");
  picture.setAttribute("aria-hidden", "true");
  for (const name of names) {
    const use = document.createElementNS(space, "use");
    use.setAttribute("href", `#${name}`);
    picture.append(use);
  }
  return picture;
}

/** Sets what is different only: what a reader has selected, or is being told, stays. */
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function hide(node, isHidden) {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

/**
 * Makes the children of `parent` those of `items`, in their order. A child stays the same node as long as its key is there;
 * `change(node, item, before)` is called when its item is another one than before. Two items are the same if they are the same
 * object, or the same as JSON.
 */
function keep(parent, items, { key, make, change }) {
  const had = (parent.kept ??= new Map());
  const has = new Map(items.map((item) => [key(item), item]));
  for (const [name, { node }] of had) {
    if (has.has(name)) continue;
    node.remove();
    had.delete(name);
  }
  let at = parent.firstChild;
  for (const [name, item] of has) {
    let child = had.get(name);
    if (child === undefined) {
      child = { node: make(item), item: undefined };
      had.set(name, child);
    }
    if (child.item !== item) {
      const before = child.item;
      child.item = item;
      if (before === undefined || JSON.stringify(before) !== JSON.stringify(item)) change(child.node, item, before);
    }
    if (child.node === at) at = at.nextSibling;
    else parent.insertBefore(child.node, at);
  }
}

/** Children that are made anew when they change. */
function renew(parent, items, key, make) {
  const change = (node, item) => node.replaceChildren(...[make(item)].flat());
  return keep(parent, items, { key, make: () => document.createElement(parent.dataset.of ?? "div"), change });
}

/** The clock of the daemon, from what it told last. */
const clock = {
  ahead: 0,
  /** `told` is in whole seconds, so it is up to one behind. */
  hear(told) {
    const ahead = Date.parse(told) - Date.now();
    this.ahead = Math.abs(ahead - this.ahead) > 2000 ? ahead : Math.max(ahead, this.ahead);
  },
  now() {
    return Date.now() + this.ahead;
  },
};

const LOCAL = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "medium" });
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A time as everything that posmoded says has it: `2026-11-22T09:00:00Z`. */
function utc(at) {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}

/** A time as the reader's own clock shows it. */
function local(at) {
  return LOCAL.format(new Date(at));
}

/**
 * How long ago something was, or how long it is till then; it grows by itself, and tells the time on the reader's own clock where
 * one points at it. `words` make a text of the span.
 */
function age(at, words = (span) => span) {
  if (at === null) return make("span", {}, "-");
  const node = make("time.age", { datetime: at });
  node.told = { at: Date.parse(at), words };
  node.append(aged(node.told));
  return node;
}

/** The same, and the time itself beside it. */
function dated(at, words) {
  return at === null ? age(at) : [age(at, words), make("span.at", {}, ` ${utc(at)}`)];
}

/** The time itself, once somebody points at its age: of thousands nobody wants it. */
function tellTime(node) {
  node.title = `${local(node.dateTime)} (${ZONE}), ${utc(node.dateTime)}`;
}

const ago = (span) => `${span} ago`;
const lasting = (span) => `for ${span}`;
/** In ms: what is no later than this comes now. */
const LATE = 5000;
/** Of what is to come. */
const coming = (span, isAhead, late) => (isAhead && span !== "0s" ? `in ${span}` : late > LATE ? `${span} late` : "now");

function aged({ at, words }) {
  const now = clock.now();
  // Whole seconds are told, so what is due now is up to one ahead.
  const isAhead = at > now - 1000;
  return words(spell(Math.abs(now - at)), isAhead, now - at);
}

/** Whether the browser tells which rows are on the screen. */
const TELLS_OF_ROWS = "oncontentvisibilityautostatechange" in HTMLElement.prototype;

/** Lets ages grow, but for those in rows that are off the screen: there may be thousands. */
function growAges() {
  grow(document.querySelectorAll("main > section:not(#matrix-section) .age, dialog .age"));
  for (const row of find("matrix-rows").children) {
    if (row.isOnScreen || !TELLS_OF_ROWS) grow(row.getElementsByClassName("age"));
  }
}

function grow(ages) {
  for (const node of ages) {
    const text = aged(node.told);
    if (node.firstChild.data !== text) node.firstChild.data = text;
  }
}

/** A sentence, in which what stands in backticks is code. */
function sentence(text) {
  return parts(text).map((part) => (part.isCode ? make("code", {}, part.text) : part.text));
}

/** A command to type. */
function command(text) {
  const code = make("code", { tabindex: "0" }, text);
  const copy = make("button.copy", { type: "button", "aria-label": `Copy: ${text}` }, "Copy");
  copy.addEventListener("click", async () => {
    write(copy, (await isCopied(code)) ? "Copied" : "Press Ctrl+C");
    setTimeout(() => write(copy, "Copy"), 2000);
  });
  return make("div.command", {}, code, copy);
}

async function isCopied(code) {
  getSelection().selectAllChildren(code);
  try {
    // Not there where the page came over plain HTTP from another machine.
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    return document.execCommand("copy");
  }
}

/** The outline and the sign of a target, and what they mean. */
function shapeOf(target) {
  const outline = { human: "human", passes: "passes", in_sync: "well", elsewhere: "elsewhere" }[section(target)];
  return shape(outline, target.state);
}

/** The mode that is live, and the one that it should be, where that is another one. */
function modes(target) {
  const [live, wanted] = modesOf(target);
  if (live === wanted) return make("span.modes", {}, mode(live));
  const arrow = [make("span", { "aria-hidden": "true" }, " → "), make("span.unseen", {}, ", wanted ")];
  return make("span.modes", {}, mode(live), arrow, mode(wanted));
}

/** The same in a sentence. */
function modesInWords(target) {
  const [live, wanted] = modesOf(target);
  return make("span.modes", {}, live === wanted ? live : `live ${live}, wanted ${wanted}`);
}

function modesOf({ live, desired }) {
  return [live?.mode ?? "unknown", desired ?? "not one mode"];
}

/** What all modes end with needs no place where there is little. */
function mode(word) {
  const [, short, end] = /^(.*?)(_mode)?$/.exec(word);
  return [short, end === undefined ? null : make("span.end", {}, end)];
}
