// A figure of several frames: a slider that shows one of them. Without this script all stand side by side.
(function () {
  "use strict";

  document.querySelectorAll("figure.explorer").forEach((figure, number) => {
    const frames = Array.from(figure.querySelectorAll(".explorer-frame"));
    const labels = frames.map((frame) => frame.querySelector(".explorer-label").textContent.trim());
    const bar = figure.querySelector(".explorer-control");

    const name = document.createElement("label");
    const slider = document.createElement("input");
    const value = document.createElement("output");
    slider.type = "range";
    slider.min = 0;
    slider.max = frames.length - 1;
    slider.step = 1;
    slider.value = bar.dataset.start;
    slider.id = "explorer-slider-" + number;
    name.htmlFor = slider.id;
    value.setAttribute("aria-live", "off"); // the slider itself says its value
    name.textContent = bar.dataset.control;
    bar.append(name, slider, value);

    function show() {
      const index = Number(slider.value);
      frames.forEach((frame, i) => frame.classList.toggle("is-shown", i === index));
      value.textContent = labels[index];
      slider.setAttribute("aria-valuetext", labels[index]);
    }

    // The other frames are fetched when somebody is about to look at them, those of the present theme only.
    function fetchAll() {
      const theme = document.documentElement.dataset.theme === "dark" ? "dark" : "light";
      figure.querySelectorAll("img.only-" + theme).forEach((image) => (image.loading = "eager"));
    }

    slider.addEventListener("input", show);
    ["pointerenter", "focusin", "touchstart"].forEach((event) =>
      bar.addEventListener(event, fetchAll, { passive: true })
    );
    window.addEventListener("beforeprint", fetchAll);
    figure.classList.add("is-live");
    show();
  });
})();
