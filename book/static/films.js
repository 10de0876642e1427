// Films: pictures of which a slider shows one. Without this script the page shows the one that matters.
(function () {
  "use strict";

  function start(film) {
    const frames = [...film.querySelectorAll(".film-frame")];
    const slider = film.querySelector("input[type=range]");
    const readout = film.querySelector(".film-readout");
    const button = film.querySelector(".film-play");
    let timer = 0;

    // Pictures are fetched when somebody comes near, and all of them, so that none is late; where a frame has
    // one for each theme, those of the present one.
    function load() {
      const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
      film.querySelectorAll(`img[loading=lazy]:not(.only-${other})`).forEach((image) => { image.loading = "eager"; });
    }
    function show(index) {
      load();
      frames.forEach((frame, i) => { frame.hidden = i !== index; });
      const label = frames[index].dataset.label;
      slider.value = index;
      slider.setAttribute("aria-valuetext", label);
      readout.textContent = label;
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      if (button) button.textContent = "Play";
    }
    function play() {
      if (Number(slider.value) === frames.length - 1) show(0);
      timer = setInterval(() => {
        const next = Number(slider.value) + 1;
        show(next);
        if (next === frames.length - 1) stop();
      }, Number(film.dataset.play));
      button.textContent = "Pause";
    }

    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    if (button) button.addEventListener("click", () => { timer ? stop() : play(); });
    new IntersectionObserver((seen, watch) => {
      if (seen.some((entry) => entry.isIntersecting)) { watch.disconnect(); load(); }
    }, { rootMargin: "300px" }).observe(film);
    window.addEventListener("beforeprint", load);
    film.classList.add("film-ready");
  }

  function all() { document.querySelectorAll(".film").forEach(start); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
