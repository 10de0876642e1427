// Small repairs for readers who use a screen reader or a keyboard, and for those who print. The pages are complete without them.
(function () {
  "use strict";

  function each(selector, repair) {
    document.querySelectorAll(selector).forEach(repair);
  }

  // The theme's frame: what lies outside the landmarks, and buttons whose name is not what they show.
  function nameFrame() {
    each(".bd-sidebar-primary:not([role])", (bar) => {
      bar.setAttribute("role", "region");
      bar.setAttribute("aria-label", "Book");
    });
    each(".search-button-field[aria-label]", (button) => {
      const shown = button.innerText.replace(/\s*\+\s*/g, "+").replace(/\s+/g, " ").trim();
      if (shown) button.setAttribute("aria-label", shown);
    });
    // Its icons are pictures: their titles would be read as the button's text.
    each(".theme-switch-button .theme-switch[title]", (icon) => {
      icon.removeAttribute("title");
      icon.setAttribute("aria-hidden", "true");
    });
    each(".theme-switch-button", (button) => {
      const mode = document.documentElement.dataset.mode || "auto";
      const name = "Colours: " + { light: "light", dark: "dark", auto: "as the system" }[mode];
      if (button.getAttribute("aria-label") !== name) button.setAttribute("aria-label", name);
    });
    each(".bd-links summary:not([aria-label])", (toggle) => {
      const link = toggle.closest("li").querySelector("a");
      toggle.setAttribute("aria-label", "Pages below " + (link ? link.textContent.trim() : "this one"));
    });
    // What folds is named by its own words: "Show code cell source".
    each(".bd-content summary[aria-label]", (toggle) => {
      if (toggle.innerText.trim()) toggle.removeAttribute("aria-label");
    });
    each(".citation-list .citation[role]", (entry) => entry.setAttribute("role", "listitem"));
  }

  // Task lists: a checkbox is named by the text of its item.
  function nameCheckboxes() {
    each("input.task-list-item-checkbox:not([aria-label])", (box) => {
      const item = box.closest("li");
      box.setAttribute("aria-label", (item ? item.textContent : "").trim() || "task");
    });
  }

  // Widgets of a lab that are no films: a slider is named by its description.
  function nameWidgets() {
    each(".jupyter-widgets .noUi-handle:not([aria-label])", (handle) => {
      const label = handle.closest(".jupyter-widgets").querySelector(".widget-label");
      handle.setAttribute("aria-label", (label && label.textContent.trim()) || "slider");
    });
  }

  // Formulas in the head of a table: their drawing is hidden from screen readers, and MathML names no column.
  function nameHeads() {
    each("th mjx-container:not([role=img]):has(mjx-assistive-mml)", (formula) => {
      formula.setAttribute("role", "img");
      formula.setAttribute("aria-label", formula.querySelector("mjx-assistive-mml").textContent.trim());
    });
  }

  // What scrolls sideways inside its own box can be reached with the keyboard.
  const SCROLLING = "div.math > mjx-container, .cell_output, .cell_output .output, .results-table, " +
    ".pst-scrollable-table-container, div.highlight pre, .course-source pre";
  function reachScrolling() {
    each(SCROLLING, (box) => {
      if (box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0) box.tabIndex = 0;
    });
  }

  // A link into something folded opens it.
  function unfold() {
    const name = decodeURIComponent(location.hash.slice(1));
    const target = name && document.getElementById(name);
    if (!target) return;
    const folded = target.closest("details") || target.querySelector("details");
    if (folded && !folded.open) {
      folded.open = true;
      target.scrollIntoView();
    }
  }

  // Paper is white: a dark page is printed light. Wide equations are drawn smaller until they fit.
  const PAPER = 620; // px; what a sheet of A4 or Letter is wide, less its margins
  let theme = null;
  function toPaper() {
    const root = document.documentElement;
    if (root.dataset.theme === "dark") {
      theme = "dark";
      root.dataset.theme = "light";
    }
    each("div.math > mjx-container", (formula) => {
      if (formula.scrollWidth > PAPER) formula.style.zoom = PAPER / formula.scrollWidth;
    });
  }
  function fromPaper() {
    if (theme) document.documentElement.dataset.theme = theme;
    theme = null;
    each("div.math > mjx-container", (formula) => { formula.style.zoom = ""; });
  }

  // A picture of class "moving" has a film of its name. It runs unless the reader wants no motion, and a button stops it.
  function move() {
    each("img.moving", (picture) => {
      const still = picture.getAttribute("src");
      const name = still.replace(/^.*\//, "").replace(/\.\w+$/, "");
      const film = document.documentElement.dataset.content_root + "_static/moving/" + name + ".webp";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "film-play";
      let running = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
      function show() {
        picture.src = running ? film : still;
        button.textContent = running ? "Pause" : "Play";
      }
      button.addEventListener("click", () => { running = !running; show(); });
      picture.insertAdjacentElement("afterend", button);
      show();
    });
  }

  function repair() {
    nameFrame();
    nameCheckboxes();
    nameWidgets();
    nameHeads();
    reachScrolling();
  }

  // Widgets and formulas appear later than the page: repair again when they do, once per frame.
  function start() {
    repair();
    move();
    unfold();
    let waiting = false;
    function soon() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; repair(); });
    }
    new MutationObserver(soon).observe(document.body, {
      childList: true, subtree: true, attributeFilter: ["tabindex"],
    });
    new MutationObserver(soon).observe(document.documentElement, { attributeFilter: ["data-mode", "data-theme"] });
    window.addEventListener("resize", soon);
    window.addEventListener("load", soon);
    document.fonts.ready.then(soon);
    window.addEventListener("hashchange", unfold);
    window.addEventListener("beforeprint", toPaper);
    window.addEventListener("afterprint", fromPaper);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
