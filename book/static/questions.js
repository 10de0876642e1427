// Questions: where the answer comes out, the page says what the reader had chosen.
(function () {
  "use strict";

  function start(answer) {
    const name = answer.dataset.question;
    const said = [...answer.querySelectorAll("[data-choice]")];
    function show() {
      const chosen = document.querySelector(`input[name="${name}"]:checked`);
      said.forEach((text) => { text.hidden = !chosen || text.dataset.choice !== chosen.value; });
    }
    document.querySelectorAll(`input[name="${name}"]`).forEach((button) => {
      button.addEventListener("change", show);
    });
    show();
  }

  function all() { document.querySelectorAll(".question-answer").forEach(start); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
