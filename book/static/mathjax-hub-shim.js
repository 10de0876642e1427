// ipywidgets' embed script typesets its labels through MathJax 2's `Hub.Queue`; MathJax 3 has none.
// Loaded before MathJax, this gives every object that becomes `window.MathJax` such a Hub.
(function () {
  "use strict";
  let current = window.MathJax;
  const hub = {
    // Called as Hub.Queue(["Typeset", Hub, element]).
    Queue: function (call) {
      const element = call && call[2];
      const startup = current && current.startup;
      if (element && startup && startup.promise) {
        startup.promise.then(() => current.typesetPromise([element]));
      }
    },
  };
  function withHub(value) {
    if (value && !value.Hub) value.Hub = hub;
    return value;
  }
  Object.defineProperty(window, "MathJax", {
    configurable: true,
    get: () => current,
    set: (value) => { current = withHub(value); },
  });
  withHub(current);
})();
