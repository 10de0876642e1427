// Pixel explorers: touch an output pixel of a layer, see the window, the weights, the products and their sum.
(function () {
  "use strict";

  const CHANNELS = { conv: ["red", "green", "blue"] };

  function floats(packed) {
    const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
    return { shape: packed.shape, data: new Float32Array(bytes.buffer) };
  }

  // The terms of one output pixel: for each input channel those taps of the kernel that meet the input, each with its place in the input.
  // Convolution: w[o][c][u][v] meets x[c][i s + u - p][j s + v - p]. Transposed: w[c][o][u][v] meets x[c][a][b] if i = a s + u - p.
  function terms(layer, o, i, j) {
    const [channels, height, width] = layer.input.shape;
    const [first, second, kernelHeight, kernelWidth] = layer.weight.shape;
    const transposed = layer.kind === "transposed";
    const found = [];
    for (let c = 0; c < channels; c++) {
      const block = transposed ? c * second + o : o * second + c;
      const taps = [];
      for (let u = 0; u < kernelHeight; u++) {
        for (let v = 0; v < kernelWidth; v++) {
          let row, column;
          if (transposed) {
            row = (i + layer.padding - u) / layer.stride;
            column = (j + layer.padding - v) / layer.stride;
            if (!Number.isInteger(row) || !Number.isInteger(column)) continue;
          } else {
            row = i * layer.stride + u - layer.padding;
            column = j * layer.stride + v - layer.padding;
          }
          const inside = row >= 0 && column >= 0 && row < height && column < width;
          const x = inside ? layer.input.data[(c * height + row) * width + column] : 0;
          const w = layer.weight.data[(block * kernelHeight + u) * kernelWidth + v];
          taps.push({ row, column, inside, x, w, product: x * w });
        }
      }
      // The taps as they lie on the input, from the top left.
      taps.sort((a, b) => a.row - b.row || a.column - b.column);
      found.push({ taps, sum: taps.reduce((total, tap) => total + tap.product, 0) });
    }
    return found;
  }

  function outputShape(layer) {
    const [, height, width] = layer.input.shape;
    const [first, second, kernelHeight, kernelWidth] = layer.weight.shape;
    const { stride: s, padding: p } = layer;
    return layer.kind === "transposed"
      ? [second, (height - 1) * s - 2 * p + kernelHeight, (width - 1) * s - 2 * p + kernelWidth]
      : [first, Math.floor((height + 2 * p - kernelHeight) / s) + 1, Math.floor((width + 2 * p - kernelWidth) / s) + 1];
  }

  function sumAt(layer, o, i, j) {
    return terms(layer, o, i, j).reduce((total, channel) => total + channel.sum, 0);
  }

  // What follows the sum: a normalisation and ReLU, or tanh.
  function after(layer, o, sum) {
    if (layer.kind === "transposed") return Math.tanh(sum);
    return Math.max(0, layer.scale.data[o] * sum + layer.shift.data[o]);
  }

  function unpack(packed) {
    const layer = { ...packed };
    for (const name of ["input", "weight", "scale", "shift"]) layer[name] = floats(packed[name]);
    return layer;
  }

  function number(value) {
    return value.toFixed(2).replace("-", "\u2212").replace(/^\u2212(0\.00)$/, "$1");
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function start(box) {
    const packed = (window.coursePixels || {})[box.dataset.kind];
    if (!packed) return;
    const layer = unpack(packed);
    const transposed = layer.kind === "transposed";
    const [maps, rows, columns] = outputShape(layer);
    const [channels, height, width] = layer.input.shape;
    const now = { o: 0, i: layer.start[0], j: layer.start[1], c: 0 };

    // A canvas on which each number is a square, and above it a frame.
    function picture(title, shape) {
      const canvas = element("canvas", { width: shape[1], height: shape[0] });
      canvas.setAttribute("role", "img");
      const frame = element("div", { className: "pixel-frame" });
      const stage = element("div", { className: "pixel-stage" }, canvas, frame);
      const figure = element("div", { className: "pixel-map" }, element("p", { textContent: title }), stage);
      return { canvas, frame, stage, figure, shape };
    }
    function paint(map, value, low, high) {
      const context = map.canvas.getContext("2d");
      const image = context.createImageData(map.shape[1], map.shape[0]);
      for (let place = 0; place < map.shape[0] * map.shape[1]; place++) {
        const colour = value(Math.floor(place / map.shape[1]), place % map.shape[1]);
        for (let k = 0; k < 3; k++) image.data[4 * place + k] = (255 * (colour[k] - low)) / (high - low);
        image.data[4 * place + 3] = 255;
      }
      context.putImageData(image, 0, 0);
    }
    function frame(map, top, left, bottom, right) {
      const [h, w] = map.shape;
      map.frame.style.inset = `${(100 * top) / h}% ${(100 * (w - right)) / w}% ${(100 * (h - bottom)) / h}% ${(100 * left) / w}%`;
    }

    const before = picture(transposed ? "What comes in: one of its channels" : "What comes in", [height, width]);
    const made = picture(transposed ? "What comes out" : "What comes out: one of its maps", [rows, columns]);
    const said = element("p", { className: "pixel-said" });
    said.setAttribute("aria-live", "polite");
    const grids = element("div", { className: "pixel-grids" });

    function slider(name, last, key) {
      const input = element("input", { type: "range", min: 0, max: last, step: 1, value: now[key] });
      input.addEventListener("input", () => { now[key] = Number(input.value); show(); });
      return { input, label: element("label", {}, element("span", { className: "film-name", textContent: name }), input) };
    }
    const rowSlider = slider("row", rows - 1, "i");
    const columnSlider = slider("column", columns - 1, "j");
    const choice = element("select", {});
    const choices = transposed ? channels : maps;
    for (let k = 0; k < choices; k++) choice.append(element("option", { value: k, textContent: String(k + 1) }));
    choice.addEventListener("change", () => {
      now[transposed ? "c" : "o"] = Number(choice.value);
      paintAll();
      show();
    });
    const chosen = element("label", {}, element("span", { className: "film-name", textContent: transposed ? "channel of the input" : "map of the output" }), choice);
    const controls = element("div", { className: "film-controls" }, rowSlider.label, columnSlider.label, chosen);

    function at(event) {
      const place = made.canvas.getBoundingClientRect();
      const inside = (value, most) => Math.min(most - 1, Math.max(0, Math.floor(value * most)));
      now.i = inside((event.clientY - place.top) / place.height, rows);
      now.j = inside((event.clientX - place.left) / place.width, columns);
      show();
    }
    made.stage.addEventListener("pointermove", (event) => { if (event.pointerType === "mouse" || event.buttons) at(event); });
    made.stage.addEventListener("pointerdown", at);

    function paintAll() {
      if (transposed) {
        const plane = layer.input.data.subarray(now.c * height * width, (now.c + 1) * height * width);
        const high = Math.max(...plane) || 1;
        paint(before, (i, j) => Array(3).fill(plane[i * width + j]), 0, high);
      } else {
        paint(before, (i, j) => [0, 1, 2].map((c) => layer.input.data[(c * height + i) * width + j]), -1, 1);
      }
      const values = [];
      for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) values.push(after(layer, now.o, sumAt(layer, now.o, i, j)));
      const [low, high] = transposed ? [-1, 1] : [0, Math.max(...values) || 1];
      paint(made, (i, j) => Array(3).fill(values[i * columns + j]), low, high);
    }

    function grid(title, taps, value, kind) {
      const side = Math.round(Math.sqrt(taps.length));
      const most = Math.max(...taps.map((tap) => Math.abs(value(tap)))) || 1;
      const table = element("table", { className: "pixel-grid" }, element("caption", { textContent: title }));
      const body = element("tbody", {});
      for (let r = 0; r < side; r++) {
        const row = element("tr", {});
        for (let k = 0; k < side; k++) {
          const tap = taps[r * side + k];
          const cell = element("td", { textContent: kind === "x" && !tap.inside ? "pad" : number(value(tap)) });
          cell.style.setProperty("--amount", (Math.abs(value(tap)) / most).toFixed(2));
          cell.className = value(tap) < 0 ? "pixel-less" : "pixel-more";
          row.append(cell);
        }
        body.append(row);
      }
      table.append(body);
      return table;
    }

    function show() {
      rowSlider.input.value = now.i;
      columnSlider.input.value = now.j;
      const found = terms(layer, now.o, now.i, now.j);
      const names = CHANNELS[layer.kind] || found.map((_, c) => `channel ${c + 1}`);
      const sum = found.reduce((total, channel) => total + channel.sum, 0);
      const taps = found[0].taps;
      const inRows = taps.map((tap) => tap.row), inColumns = taps.map((tap) => tap.column);
      frame(before, Math.min(...inRows), Math.min(...inColumns), Math.max(...inRows) + 1, Math.max(...inColumns) + 1);
      frame(made, now.i, now.j, now.i + 1, now.j + 1);
      grids.replaceChildren(...found.flatMap((channel, c) => {
        if (transposed && c !== now.c) return [];
        const sign = (text) => element("span", { className: "pixel-sign", textContent: text });
        return [element("div", { className: "pixel-row" },
          grid(`${names[c]}: input`, channel.taps, (tap) => tap.x, "x"), sign("\u00d7"),
          grid("weights", channel.taps, (tap) => tap.w), sign("="),
          grid(`products: ${number(channel.sum)}`, channel.taps, (tap) => tap.product))];
      }));
      const added = found.map((channel) => number(channel.sum)).join(" + ").replaceAll("+ \u2212", "\u2212 ");
      const result = number(after(layer, now.o, sum));
      const then = transposed ? `tanh makes it the pixel's brightness ${result}, between \u22121 and 1` : `batch normalisation and ReLU make it ${result}`;
      said.textContent = `Row ${now.i}, column ${now.j}. ${transposed ? "The channels add" : "Red, green and blue add"} ${added} = ${number(sum)}. ${then[0].toUpperCase()}${then.slice(1)}.`;
      before.canvas.setAttribute("aria-label", `The input; framed are the ${taps.length} places of each channel that the output pixel sees`);
      made.canvas.setAttribute("aria-label", `The output; framed is row ${now.i}, column ${now.j}`);
    }

    box.replaceChildren(element("div", { className: "pixel-maps" }, before.figure, made.figure), controls, said, grids);
    box.classList.add("film-ready");
    paintAll();
    show();
  }

  window.coursePixelSums = { unpack, outputShape, sumAt, after }; // what a test holds to torch
  function all() { document.querySelectorAll(".pixel-explorer").forEach(start); }
  if (document.readyState === "complete") all();
  else window.addEventListener("load", all);
})();
