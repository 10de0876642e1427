// The RoIAlign explorer: touch a cell of a box, see where its points read the map, and the sum.
(function () {
  "use strict";

  function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed.map.data), (letter) => letter.charCodeAt(0));
    const [height, width] = packed.map.shape;
    return { ...packed, height, width, values: new Float32Array(bytes.buffer) };
  }

  // One axis: the two places around a point, with their weights; no place far outside of the map.
  function around(place, size) {
    if (place < -1 || place > size) return [];
    const inside = Math.min(Math.max(place, 0), size - 1);
    const low = Math.min(Math.floor(inside), Math.max(size - 2, 0));
    if (size === 1) return [{ index: 0, weight: 1 }];
    return [{ index: low, weight: 1 - (inside - low) }, { index: low + 1, weight: inside - low }];
  }

  // The points of a cell: where they lie, in places, and the four places that each reads.
  function cell(roi, p, q, shift, aligned) {
    const half = aligned ? 0.5 : 0;
    const [x1, y1, x2, y2] = roi.box.map((side, k) => (side + (k % 2 ? 0 : shift)) / roi.stride);
    const least = aligned ? 0 : 1;
    const tall = Math.max(y2 - y1, least) / roi.cells, wide = Math.max(x2 - x1, least) / roi.cells;
    const points = [];
    for (let m = 0; m < roi.points; m++) {
      for (let n = 0; n < roi.points; n++) {
        const u = y1 + (p + (m + 0.5) / roi.points) * tall - half;
        const v = x1 + (q + (n + 0.5) / roi.points) * wide - half;
        const reads = [];
        for (const row of around(u, roi.height)) {
          for (const column of around(v, roi.width)) {
            const value = roi.values[row.index * roi.width + column.index];
            reads.push({ row: row.index, column: column.index, weight: row.weight * column.weight, value });
          }
        }
        points.push({ u, v, reads, value: reads.reduce((sum, read) => sum + read.weight * read.value, 0) });
      }
    }
    const value = points.reduce((sum, point) => sum + point.value, 0) / points.length;
    return { points, value, top: y1 + p * tall - half, left: x1 + q * wide - half, tall, wide };
  }

  function number(value) {
    return value.toFixed(2).replace("-", "\u2212").replace(/^\u2212(0\.00)$/, "$1");
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function drawn(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function start(box) {
    if (!window.courseRoi) return;
    const roi = unpack(window.courseRoi);
    const now = { p: roi.start[0], q: roi.start[1], shift: 0, aligned: true };
    const low = Math.min(...roi.values), high = Math.max(...roi.values);

    // In the picture a place is a unit, its middle half a unit from its edge.
    const picture = drawn("svg", { viewBox: `0 0 ${roi.width} ${roi.height}`, role: "img", class: "roi-map" });
    roi.values.forEach((value, place) => {
      const grey = Math.round(40 + (215 * (value - low)) / (high - low || 1));
      picture.append(drawn("rect", { x: place % roi.width, y: Math.floor(place / roi.width), width: 1.02, height: 1.02, fill: `rgb(${grey},${grey},${grey})` }));
    });
    const marks = drawn("g", {});
    picture.append(marks);

    const said = element("p", { className: "pixel-said" });
    said.setAttribute("aria-live", "polite");
    const grids = element("div", { className: "pixel-grids" });

    function slider(name, first, last, key) {
      const input = element("input", { type: "range", min: first, max: last, step: 1, value: now[key] });
      input.addEventListener("input", () => { now[key] = Number(input.value); show(); });
      return { input, label: element("label", {}, element("span", { className: "film-name", textContent: name }), input) };
    }
    const row = slider("row of the cell", 0, roi.cells - 1, "p");
    const column = slider("column of the cell", 0, roi.cells - 1, "q");
    const shift = slider("box moved to the right, pixels", roi.shifts[0], roi.shifts[1], "shift");
    const choice = element("select", {});
    choice.append(element("option", { value: "yes", textContent: "half a place subtracted" }), element("option", { value: "no", textContent: "not subtracted" }));
    choice.addEventListener("change", () => { now.aligned = choice.value === "yes"; show(); });
    const chosen = element("label", {}, element("span", { className: "film-name", textContent: "convention" }), choice);
    const controls = element("div", { className: "film-controls" }, row.label, column.label, shift.label, chosen);

    picture.addEventListener("pointerdown", (event) => {
      const place = picture.getBoundingClientRect();
      const x = ((event.clientX - place.left) / place.width) * roi.width - 0.5;
      const y = ((event.clientY - place.top) / place.height) * roi.height - 0.5;
      const first = cell(roi, 0, 0, now.shift, now.aligned);
      const p = Math.floor((y - first.top) / first.tall), q = Math.floor((x - first.left) / first.wide);
      if (p < 0 || q < 0 || p >= roi.cells || q >= roi.cells) return;
      now.p = p;
      now.q = q;
      show();
    });

    function table(point, index) {
      const made = element("table", { className: "pixel-grid" }, element("caption", { textContent: `point ${index + 1}, at row ${number(point.u)}, column ${number(point.v)}: ${number(point.value)}` }));
      const names = ["row", "column", "value", "weight", "product"];
      const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col", textContent: name })));
      const rows = point.reads.map((read) => element("tr", {}, ...[String(read.row), String(read.column), number(read.value), number(read.weight), number(read.weight * read.value)].map((text) => element("td", { textContent: text }))));
      made.append(element("thead", {}, head), element("tbody", {}, ...rows));
      return made;
    }

    function show() {
      row.input.value = now.p;
      column.input.value = now.q;
      shift.input.value = now.shift;
      const found = cell(roi, now.p, now.q, now.shift, now.aligned);
      // What lies at a place (u, v) is drawn at its middle, half a unit further.
      marks.replaceChildren();
      for (let p = 0; p < roi.cells; p++) {
        for (let q = 0; q < roi.cells; q++) {
          const one = cell(roi, p, q, now.shift, now.aligned);
          const here = p === now.p && q === now.q;
          for (const [colour, width] of [["#000", here ? 0.22 : 0.1], [here ? "#e69f00" : "#56b4e9", here ? 0.12 : 0.05]]) {
            const frame = drawn("rect", { x: one.left + 0.5, y: one.top + 0.5, width: one.wide, height: one.tall, fill: "none", stroke: colour, "stroke-width": width });
            if (here) marks.append(frame); else marks.prepend(frame);
          }
        }
      }
      marks.prepend(...[...marks.children].filter((mark) => mark.getAttribute("stroke") === "#000" && mark.getAttribute("stroke-width") === "0.1"));
      for (const point of found.points) marks.append(drawn("circle", { cx: point.v + 0.5, cy: point.u + 0.5, r: 0.11, fill: "#fff", stroke: "#000", "stroke-width": 0.05 }));
      const added = found.points.map((point) => number(point.value)).join(" + ").replaceAll("+ \u2212", "\u2212 ");
      said.textContent = `Cell in row ${now.p}, column ${now.q}: (${added}) / ${found.points.length} = ${number(found.value)}.`;
      picture.setAttribute("aria-label", `A map of ${roi.height} by ${roi.width} places, and a box of ${roi.cells} by ${roi.cells} cells on it; framed is the cell in row ${now.p}, column ${now.q}, with its ${found.points.length} points`);
      grids.replaceChildren(...found.points.map(table));
    }

    box.replaceChildren(element("div", { className: "roi-stage" }, picture), controls, said, grids);
    box.classList.add("film-ready");
    show();
  }

  window.courseRoiSums = { unpack, cell }; // what a test holds to torchvision
  function all() { document.querySelectorAll(".roi-explorer").forEach(start); }
  if (document.readyState === "complete") all();
  else window.addEventListener("load", all);
})();
