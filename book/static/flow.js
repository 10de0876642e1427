// The flow explorer: trains the network of flow-network.js in the page and shows what it has learned.
(function () {
  "use strict";

  const POINTS = 250, SHOWN = 400; // points that follow the arrows, and points of the data beside them
  const LAST = 4000; // updates, at which training pauses by itself
  const WIDE = 3.3; // the plane is shown from -WIDE to WIDE
  const SLOW = 1500; // ms between two updates in slow motion
  const SHOWN_AT = { points: "full", paths: "full", lines: "slow" }; // the speed at which each is shown at first
  const STEPS = [1, 2, 4, 8, 16, 32, 64];

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }
  function number(value, digits) {
    return value.toFixed(digits).replace("-", "\u2212");
  }
  const mean = (values) => values.reduce((total, value) => total + value, 0) / values.length;

  function start(box) {
    const flow = window.courseFlow;
    if (!flow) return;
    const now = { kind: "ring", transport: false, seed: 0, steps: 16, t: 1, running: false, slow: false, data: true, points: true, paths: true, arrows: false, lines: false };
    let run, path, score, crooked, fixed, truth, chance, asked = 0, drawnAt = 0, took = 0, following = 0;

    // ------------------------------------------------------------------------------------ what stands on the page
    const plane = element("canvas", { className: "flow-plane" }), curve = element("canvas", { className: "flow-curve" });
    for (const canvas of [plane, curve]) canvas.setAttribute("role", "img");
    const said = element("p", { className: "pixel-said" });
    const key = element("p", { className: "flow-key", textContent: "\u25cb data \u00a0 \u25cf points that follow the arrows \u00a0 \u25c6 where the network is asked, on a line of the batch" });
    const button = (name, pressed) => {
      const made = element("button", { type: "button", className: "film-play", textContent: name });
      made.addEventListener("click", pressed);
      return made;
    };
    const play = button("Train", () => (now.running ? pause() : go()));
    const one = button("One update", () => { pause(); advance(); look(); });
    const again = button("Reset", () => { pause(); begin(); });
    const walk = button("Follow the points", () => { stopFollowing(); followPoints(); });

    function labelled(name, control, ...more) {
      return element("label", {}, element("span", { className: "film-name", textContent: name }), control, ...more);
    }
    function choice(name, options, value, changed) {
      const select = element("select", {});
      for (const [key, text] of options) select.append(element("option", { value: key, textContent: text, selected: String(key) === String(value) }));
      select.addEventListener("change", () => changed(select.value));
      return { select, label: labelled(name, select) };
    }
    const anew = (key, read) => (value) => { now[key] = read(value); pause(); begin(); };
    const kind = choice("density", Object.entries(flow.DENSITIES).map(([key, density]) => [key, density.name]), now.kind, anew("kind", String));
    const pairing = choice("pairing", [["random", "as drawn"], ["transport", "optimal transport"]], "random", anew("transport", (value) => value === "transport"));
    const seed = choice("seed", [0, 1, 2, 3, 4].map((value) => [value, String(value)]), 0, anew("seed", Number));
    const speed = choice("speed", [["full", "as fast as it goes"], ["slow", "slow motion"]], "full", (value) => {
      now.slow = value === "slow"; // then one looks at the lines of each batch, and the points are in the way
      for (const one of ticks) if (one.key in SHOWN_AT) one.set(SHOWN_AT[one.key] === value);
      draw();
    });
    const steps = choice("Euler steps of a sample", STEPS.map((value) => [value, String(value)]), now.steps, (value) => { now.steps = Number(value); look(); });
    const time = element("input", { type: "range", min: 0, max: 1, step: 0.02, value: now.t });
    const timeRead = element("span", { className: "film-readout" });
    time.addEventListener("input", () => { stopFollowing(); now.t = Number(time.value); draw(); tell(); });
    function tick(name, key) {
      const input = element("input", { type: "checkbox", checked: now[key] });
      input.addEventListener("change", () => { now[key] = input.checked; draw(); });
      const set = (value) => { input.checked = now[key] = value; };
      return { key, set, label: element("label", {}, input, element("span", { textContent: name })) };
    }
    const ticks = [tick("data", "data"), tick("points", "points"), tick("their paths", "paths"), tick("arrows at time t", "arrows"), tick("lines of the last batch", "lines")];
    const shown = element("fieldset", { className: "flow-shown" }, element("legend", { textContent: "Shown" }), ...ticks.map((one) => one.label));
    const buttons = element("div", { className: "flow-buttons" }, play, one, again, walk);
    const controls = element("div", { className: "film-controls" }, kind.label, pairing.label, seed.label, speed.label, steps.label, labelled("time t", time, timeRead));

    // ------------------------------------------------------------------------------------ training
    function begin() {
      run = flow.training(now.kind, now.transport, now.seed);
      fixed = flow.noise(POINTS, flow.random(1000 * now.seed + 2));
      truth = flow.data(now.kind, SHOWN, flow.random(1000 * now.seed + 3));
      chance = flow.energy(flow.data(now.kind, POINTS, flow.random(1000 * now.seed + 4)), truth);
      look();
    }
    function advance() {
      if (run.step < LAST) flow.update(run);
      if (run.step >= LAST) pause();
    }
    function go() {
      if (run.step >= LAST) begin();
      now.running = true;
      play.textContent = "Pause";
      said.setAttribute("aria-live", "off"); // nobody wants to hear thousands of numbers
      asked = window.requestAnimationFrame(frame);
    }
    function pause() {
      if (!now.running) return;
      now.running = false;
      play.textContent = "Train";
      window.cancelAnimationFrame(asked);
      said.setAttribute("aria-live", "polite");
      look();
    }
    let last = 0;
    function frame(at) {
      if (!now.running) return;
      if (now.slow) {
        if (at - last >= SLOW) { last = at; advance(); if (now.running) look(); }
      } else {
        const began = performance.now();
        do advance(); while (now.running && performance.now() - began < 14);
        // To draw samples takes longer than an update, so they are drawn now and then only.
        if (now.running && at - drawnAt > Math.max(250, 4 * took)) { drawnAt = at; look(); }
      }
      if (now.running) asked = window.requestAnimationFrame(frame);
    }

    // ------------------------------------------------------------------------------------ the points
    function look() {
      const began = performance.now();
      path = flow.follow(run.average, fixed, now.steps);
      score = flow.energy(path[path.length - 1], truth);
      crooked = flow.crookedness(path);
      took = performance.now() - began;
      draw();
      tell();
    }
    function at(t) { // between two steps an Euler path is a straight line
      const place = t * now.steps, k = Math.min(Math.floor(place), now.steps - 1), share = place - k;
      return path[k].map((value, i) => (1 - share) * value + share * path[k + 1][i]);
    }
    function stopFollowing() {
      window.cancelAnimationFrame(following);
      following = 0;
    }
    function followPoints() {
      let first = null;
      const move = (when) => {
        first = first === null ? when : first;
        now.t = Math.min(1, (when - first) / 3000);
        time.value = now.t;
        draw();
        if (now.t < 1) following = window.requestAnimationFrame(move);
        else { following = 0; tell(); }
      };
      following = window.requestAnimationFrame(move);
    }

    // ------------------------------------------------------------------------------------ drawing
    function colours() {
      const style = getComputedStyle(box), dark = document.documentElement.dataset.theme === "dark";
      const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
      return { ink: read("--pst-color-text-base", "#222"), soft: read("--pst-color-text-muted", "#555"), data: dark ? "#56b4e9" : "#0072b2", point: dark ? "#e69f00" : "#d55e00" };
    }
    function sheet(canvas, high) {
      const scale = window.devicePixelRatio || 1, wide = canvas.clientWidth || 320;
      const tall = high || wide;
      canvas.width = Math.round(wide * scale);
      canvas.height = Math.round(tall * scale);
      const context = canvas.getContext("2d");
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.clearRect(0, 0, wide, tall);
      context.font = `12px ${getComputedStyle(box).fontFamily}`;
      return { context, wide, tall };
    }
    function arrow(context, x, y, dx, dy) {
      const angle = Math.atan2(dy, dx);
      context.moveTo(x, y);
      context.lineTo(x + dx, y + dy);
      for (const turn of [2.6, -2.6]) {
        context.moveTo(x + dx, y + dy);
        context.lineTo(x + dx + 5 * Math.cos(angle + turn), y + dy + 5 * Math.sin(angle + turn));
      }
    }
    function draw() {
      const { ink, soft, data, point } = colours(), { context, wide } = sheet(plane);
      const X = (x) => ((x + WIDE) / (2 * WIDE)) * wide, Y = (y) => ((WIDE - y) / (2 * WIDE)) * wide;
      const dots = (points, size, fill) => {
        for (let i = 0; i < points.length; i += 2) {
          context.beginPath();
          context.arc(X(points[i]), Y(points[i + 1]), size, 0, 2 * Math.PI);
          if (fill) context.fill(); else context.stroke();
        }
      };
      context.strokeStyle = soft;
      context.lineWidth = 1;
      context.strokeRect(0.5, 0.5, wide - 1, wide - 1);
      if (now.data) { context.strokeStyle = data; context.lineWidth = 1.2; dots(truth, 2.6, false); }
      if (now.paths) {
        context.strokeStyle = point;
        context.globalAlpha = 0.35;
        context.lineWidth = 1;
        context.beginPath();
        for (let i = 0; i < fixed.length; i += 2) path.forEach((cloud, k) => (k ? context.lineTo(X(cloud[i]), Y(cloud[i + 1])) : context.moveTo(X(cloud[i]), Y(cloud[i + 1]))));
        context.stroke();
        context.globalAlpha = 1;
      }
      if (now.lines && run.batch) {
        context.strokeStyle = soft;
        context.fillStyle = ink;
        context.lineWidth = 0.8;
        context.beginPath();
        for (let i = 0; i < 2 * flow.BATCH; i += 2) {
          context.moveTo(X(run.batch.starts[i]), Y(run.batch.starts[i + 1]));
          context.lineTo(X(run.batch.ends[i]), Y(run.batch.ends[i + 1]));
        }
        context.stroke();
        for (let i = 0; i < 2 * flow.BATCH; i += 2) {
          const [x, y] = [X(run.batch.x[i]), Y(run.batch.x[i + 1])];
          context.beginPath();
          context.moveTo(x, y - 3.5);
          for (const [a, b] of [[3.5, 0], [0, 3.5], [-3.5, 0]]) context.lineTo(x + a, y + b);
          context.fill();
        }
      }
      if (now.arrows) {
        const side = wide < 380 ? 11 : 15, places = new Float64Array(2 * side * side);
        for (let k = 0; k < side * side; k++) places.set([0, 1].map((axis) => WIDE * ((2 * ((axis ? Math.floor(k / side) : k % side) + 0.5)) / side - 1)), 2 * k);
        const told = flow.forward(run.average, places, new Float64Array(side * side).fill(now.t)), most = (0.95 * wide) / side;
        context.strokeStyle = ink;
        context.lineWidth = 1.1;
        context.beginPath();
        for (let i = 0; i < places.length; i += 2) { // lengths are squeezed, so that slow and fast are seen side by side
          const long = Math.hypot(told[i], told[i + 1]) || 1, size = (most * long) / (long + 2) / long;
          arrow(context, X(places[i]), Y(places[i + 1]), size * told[i], -size * told[i + 1]);
        }
        context.stroke();
      }
      context.fillStyle = point;
      if (now.points) dots(at(now.t), 2.8, true);
      timeRead.textContent = now.t.toFixed(2);
      drawCurve(ink, soft);
    }
    function smooth() { // means of groups of updates, at most 200 groups
      const size = Math.max(10, Math.ceil(run.losses.length / 200)), groups = [];
      for (let k = 0; k < run.losses.length; k += size) groups.push({ step: Math.min(k + size, run.losses.length), loss: mean(run.losses.slice(k, k + size)) });
      return groups;
    }
    function drawCurve(ink, soft) {
      const { context, wide, tall } = sheet(curve, 150), groups = smooth();
      const [left, below, right, above] = [34, 22, 8, 18], most = groups.length ? Math.max(...groups.map((group) => group.loss)) : 1, end = Math.max(100, run.step);
      const X = (step) => left + (step / end) * (wide - left - right), Y = (loss) => tall - below - (loss / most) * (tall - below - above);
      context.strokeStyle = soft;
      context.fillStyle = ink;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(left, above);
      context.lineTo(left, tall - below);
      context.lineTo(wide - right, tall - below);
      context.stroke();
      context.textAlign = "right";
      context.fillText(number(most, most < 1 ? 2 : 1), left - 4, above + 5);
      context.fillText("0", left - 4, tall - below + 4);
      context.fillText(String(end), wide - right, tall - 6);
      context.textAlign = "left";
      context.fillText("loss, over updates", left + 6, 12);
      context.strokeStyle = ink;
      context.lineWidth = 1.6;
      context.beginPath();
      groups.forEach((group, k) => (k ? context.lineTo(X(group.step), Y(group.loss)) : context.moveTo(X(group.step), Y(group.loss))));
      context.stroke();
    }

    // ------------------------------------------------------------------------------------ the same in words
    function tell() {
      const name = flow.DENSITIES[now.kind].name, pairs = now.transport ? "optimal transport" : "pairs as drawn";
      const { batch, losses } = run;
      const learned = losses.length
        ? ` Loss, mean of the last ${Math.min(100, losses.length)}: ${number(mean(losses.slice(-100)), 3)}. Squared length of a line in the last batch: ${number(batch.after, 2)}${now.transport ? ` (as drawn ${number(batch.before, 2)})` : ""}.`
        : " Not trained: the arrows are those of random weights.";
      said.textContent = `${name[0].toUpperCase()}${name.slice(1)}, ${pairs}, seed ${now.seed}, update ${run.step}${run.step >= LAST ? ", the last" : ""}.${learned} ` +
        `Samples by ${now.steps} Euler step${now.steps > 1 ? "s" : ""}: energy distance to the data ${number(score, 4)} (another draw of the data: ${number(chance, 4)}); their ways are ${number(crooked, 2)} times as long as straight ones.`;
      plane.setAttribute("aria-label", `The plane from ${number(-WIDE, 1)} to ${number(WIDE, 1)}: ${SHOWN} points of the data, a ${name}, and ${POINTS} points at time ${now.t.toFixed(2)} on their way from noise to it, after ${run.step} updates`);
      curve.setAttribute("aria-label", losses.length ? `Loss over ${run.step} updates, from ${number(smooth()[0].loss, 2)} at the beginning to ${number(mean(losses.slice(-100)), 2)}` : "Loss over updates: none yet");
    }

    said.setAttribute("aria-live", "polite");
    box.replaceChildren(buttons, controls, shown, element("div", { className: "flow-stage" }, element("div", { className: "flow-map" }, plane, key), element("div", { className: "flow-told" }, said, curve)));
    box.classList.add("film-ready");
    begin();
    new ResizeObserver(() => draw()).observe(box);
    new MutationObserver(() => draw()).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  function all() { document.querySelectorAll(".flow-explorer").forEach(start); }
  if (document.readyState === "complete") all();
  else window.addEventListener("load", all);
})();
