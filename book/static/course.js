// Small repairs for readers who use a screen reader or a keyboard. The pages are complete without them.
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
    each(".search-button-field[aria-label], .theme-switch-button[aria-label]", (button) => {
      const shown = button.innerText.replace(/\s*\+\s*/g, "+").replace(/\s+/g, " ").trim();
      if (shown) button.setAttribute("aria-label", shown);
    });
    each(".bd-links summary:not([aria-label])", (toggle) => {
      const link = toggle.closest("li").querySelector("a");
      toggle.setAttribute("aria-label", "Pages below " + (link ? link.textContent.trim() : "this one"));
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

  // Widgets: a slider is named by its description, a film's buttons by what they do; a picture without a description of its own by the
  // text that its explorer carries.
  function nameWidgets() {
    each(".jupyter-widgets .noUi-handle:not([aria-label])", (handle) => {
      const slider = handle.closest(".jupyter-widgets");
      const label = slider.querySelector(".widget-label");
      handle.setAttribute("aria-label", (label && label.textContent.trim()) || "slider");
    });
    each(".widget-play:not([role])", (film) => {
      film.setAttribute("role", "group");
      film.setAttribute("aria-label", "Film");
      const names = ["Play or pause", "Stop", "Repeat"];
      film.querySelectorAll("button").forEach((button, i) => {
        button.setAttribute("aria-label", names[i]);
        button.title = names[i];
      });
    });
    each("img.widget-image", (image) => {
      if ((image.getAttribute("alt") || "").trim()) return;
      const cell = image.closest(".cell");
      const described = cell && cell.querySelector("[data-alt]");
      image.setAttribute("alt", described ? described.dataset.alt : "The figure that the control sets");
    });
  }

  // What scrolls sideways inside its own box can be reached with the keyboard.
  const SCROLLING = "div.math, .cell_output, .cell_output .output, .results-table, " +
    ".pst-scrollable-table-container, div.highlight pre";
  function reachScrolling() {
    each(SCROLLING, (box) => {
      if (box.scrollWidth > box.clientWidth + 1 && !box.hasAttribute("tabindex")) {
        box.setAttribute("tabindex", "0");
      }
    });
  }

  function repair() {
    nameFrame();
    nameCheckboxes();
    nameWidgets();
    reachScrolling();
  }

  // Widgets and formulas appear later than the page: repair again when they do, once per frame.
  function start() {
    repair();
    let waiting = false;
    const watch = new MutationObserver(() => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; repair(); });
    });
    watch.observe(document.body, { childList: true, subtree: true });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
