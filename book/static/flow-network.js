// A flow of points, trained in plain JavaScript: random numbers, densities, the network with its gradient, Adam, pairing, sampling.
// The network is the course's PointField: the point and waves of the time in, hidden layers with SiLU, an arrow out.
(function () {
  "use strict";

  // ---------------------------------------------------------------- random numbers: the same seed, the same run
  function random(seed) {
    let state = seed >>> 0;
    function uniform() { // mulberry32
      state = (state + 0x6d2b79f5) >>> 0;
      let z = Math.imul(state ^ (state >>> 15), state | 1);
      z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
      return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
    }
    function normal() { // Box and Muller; 1 - u is never 0
      return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    }
    return { uniform, normal };
  }

  // Points are pairs in one array: x of the first, y of the first, x of the second ...
  function filled(num, draw) {
    const points = new Float64Array(2 * num);
    for (let n = 0; n < num; n++) points.set(draw(), 2 * n);
    return points;
  }
  const noise = (num, rng) => filled(num, () => [rng.normal(), rng.normal()]);

  // ---------------------------------------------------------------- densities
  const DENSITIES = {
    ring: { name: "ring of eight", std: 0.15, middle(rng) {
      const angle = (Math.PI / 4) * Math.floor(8 * rng.uniform());
      return [2 * Math.cos(angle), 2 * Math.sin(angle)];
    } },
    moons: { name: "two moons", std: 0.1, middle(rng) {
      const lower = rng.uniform() < 0.5, angle = Math.PI * rng.uniform();
      const x = lower ? 1 - Math.cos(angle) : Math.cos(angle), y = lower ? 0.5 - Math.sin(angle) : Math.sin(angle);
      return [1.5 * (x - 0.5), 1.5 * (y - 0.25)];
    } },
    grid: { name: "grid of sixteen", std: 0.12, middle(rng) {
      return [Math.floor(4 * rng.uniform()) - 1.5, Math.floor(4 * rng.uniform()) - 1.5].map((place) => 1.2 * place);
    } },
    spiral: { name: "spiral", std: 0.08, middle(rng) {
      const share = rng.uniform(), angle = 3 * Math.PI * share, radius = 0.5 + 1.5 * share;
      return [radius * Math.cos(angle), radius * Math.sin(angle)];
    } },
  };
  function data(kind, num, rng) {
    const { middle, std } = DENSITIES[kind];
    return filled(num, () => middle(rng).map((place) => place + std * rng.normal()));
  }

  // ---------------------------------------------------------------- the network
  const SIZE = { width: 64, layers: 3, waves: 4 };

  // Weights (outputs, inputs) and biases of each layer, uniform as in torch.nn.Linear.
  function network(rng, { width, layers, waves } = SIZE) {
    const sizes = [2 + 2 * waves, ...Array(layers).fill(width), 2];
    const made = [];
    for (let l = 0; l + 1 < sizes.length; l++) {
      const [inputs, outputs] = [sizes[l], sizes[l + 1]], most = 1 / Math.sqrt(inputs);
      const draw = () => most * (2 * rng.uniform() - 1);
      made.push({ inputs, outputs, weight: Float64Array.from({ length: outputs * inputs }, draw), bias: Float64Array.from({ length: outputs }, draw) });
    }
    return { waves, layers: made };
  }

  // What goes in: the point, then cosines and sines of the time, one to `waves` half turns.
  function features(net, x, t) {
    const num = t.length, wide = 2 + 2 * net.waves, h = new Float64Array(num * wide);
    for (let n = 0; n < num; n++) {
      h[n * wide] = x[2 * n];
      h[n * wide + 1] = x[2 * n + 1];
      for (let k = 0; k < net.waves; k++) {
        h[n * wide + 2 + k] = Math.cos(Math.PI * (k + 1) * t[n]);
        h[n * wide + 2 + net.waves + k] = Math.sin(Math.PI * (k + 1) * t[n]);
      }
    }
    return h;
  }

  // Forward. `seen`, if it is given, gets what the gradient needs: each layer's input and its sum.
  function forward(net, x, t, seen) {
    const num = t.length;
    let h = features(net, x, t);
    net.layers.forEach((layer, l) => {
      const { inputs, outputs, weight, bias } = layer, sum = new Float64Array(num * outputs);
      for (let n = 0; n < num; n++) {
        for (let j = 0; j < outputs; j++) {
          let total = bias[j];
          for (let i = 0; i < inputs; i++) total += weight[j * inputs + i] * h[n * inputs + i];
          sum[n * outputs + j] = total;
        }
      }
      if (seen) seen.push({ h, sum });
      h = l === net.layers.length - 1 ? sum : sum.map((s) => s / (1 + Math.exp(-s))); // SiLU
    });
    return h;
  }

  // Loss, the mean over points and both coordinates of (said - wanted)², and its gradient by each weight and bias.
  function gradient(net, x, t, wanted) {
    const num = t.length, seen = [];
    const said = forward(net, x, t, seen);
    let loss = 0;
    let back = said.map((s, k) => { // d loss / d said
      loss += (s - wanted[k]) ** 2 / said.length;
      return (2 * (s - wanted[k])) / said.length;
    });
    const grads = Array(net.layers.length);
    for (let l = net.layers.length - 1; l >= 0; l--) {
      const { inputs, outputs, weight } = net.layers[l], { h, sum } = seen[l];
      if (l < net.layers.length - 1) { // through SiLU: its derivative is s + sum s (1 - s) with the sigmoid s
        back = back.map((b, k) => { const s = 1 / (1 + Math.exp(-sum[k])); return b * (s + sum[k] * s * (1 - s)); });
      }
      const byWeight = new Float64Array(outputs * inputs), byBias = new Float64Array(outputs), before = new Float64Array(num * inputs);
      for (let n = 0; n < num; n++) {
        for (let j = 0; j < outputs; j++) {
          const b = back[n * outputs + j];
          byBias[j] += b;
          for (let i = 0; i < inputs; i++) {
            byWeight[j * inputs + i] += b * h[n * inputs + i];
            before[n * inputs + i] += b * weight[j * inputs + i];
          }
        }
      }
      grads[l] = { weight: byWeight, bias: byBias };
      back = before;
    }
    return { loss, grads };
  }

  // ---------------------------------------------------------------- Adam, in place; `state` begins as {} and is kept between steps
  function adam(net, grads, state, rate) {
    const [b1, b2, small] = [0.9, 0.999, 1e-8];
    state.step = (state.step || 0) + 1;
    state.moments = state.moments || net.layers.flatMap((layer) => [layer.weight, layer.bias].map((part) => [new Float64Array(part.length), new Float64Array(part.length)]));
    const fair1 = 1 - b1 ** state.step, fair2 = 1 - b2 ** state.step;
    net.layers.flatMap((layer, l) => [[layer.weight, grads[l].weight], [layer.bias, grads[l].bias]]).forEach(([value, grad], p) => {
      const [mean, square] = state.moments[p];
      for (let k = 0; k < value.length; k++) {
        mean[k] = b1 * mean[k] + (1 - b1) * grad[k];
        square[k] = b2 * square[k] + (1 - b2) * grad[k] * grad[k];
        value[k] -= (rate * (mean[k] / fair1)) / (Math.sqrt(square[k] / fair2) + small);
      }
    });
  }

  // ---------------------------------------------------------------- pairing by optimal transport
  // The exact assignment by shortest augmenting paths (Kuhn; Munkres; Jonker and Volgenant): for each end, which start goes with it.
  function assign(starts, ends) {
    const num = ends.length / 2;
    const cost = (i, j) => (ends[2 * i] - starts[2 * j]) ** 2 + (ends[2 * i + 1] - starts[2 * j + 1]) ** 2;
    const u = new Float64Array(num + 1), v = new Float64Array(num + 1); // prices of ends and starts
    const owner = new Int32Array(num + 1), way = new Int32Array(num + 1); // counted from 1; 0 is nobody
    for (let i = 1; i <= num; i++) {
      owner[0] = i;
      let j0 = 0;
      const least = new Float64Array(num + 1).fill(Infinity), used = new Uint8Array(num + 1);
      do {
        used[j0] = 1;
        const i0 = owner[j0];
        let delta = Infinity, j1 = 0;
        for (let j = 1; j <= num; j++) {
          if (used[j]) continue;
          const now = cost(i0 - 1, j - 1) - u[i0] - v[j];
          if (now < least[j]) { least[j] = now; way[j] = j0; }
          if (least[j] < delta) { delta = least[j]; j1 = j; }
        }
        for (let j = 0; j <= num; j++) {
          if (used[j]) { u[owner[j]] += delta; v[j] -= delta; } else least[j] -= delta;
        }
        j0 = j1;
      } while (owner[j0] !== 0);
      do { const j1 = way[j0]; owner[j0] = owner[j1]; j0 = j1; } while (j0);
    }
    const order = new Int32Array(num);
    for (let j = 1; j <= num; j++) order[owner[j] - 1] = j - 1;
    return order;
  }

  const squared = (a, b) => a.reduce((total, value, k) => total + (value - b[k]) ** 2, 0) / (a.length / 2);

  // ---------------------------------------------------------------- training
  const BATCH = 128;

  function training(kind, transport, seed) {
    const rng = random(1000 * seed + 1), net = network(rng);
    const average = { waves: net.waves, layers: net.layers.map((layer) => ({ ...layer, weight: layer.weight.slice(), bias: layer.bias.slice() })) };
    return { kind, transport, rng, net, average, state: {}, step: 0, losses: [], batch: null };
  }

  // The mean of the weights of about the last fifty updates, which samples are drawn with: single updates are unsteady.
  function blend(average, net, share) {
    net.layers.forEach((layer, l) => {
      for (const part of ["weight", "bias"]) layer[part].forEach((value, k) => { average.layers[l][part][k] += share * (value - average.layers[l][part][k]); });
    });
  }

  // One update: noise and data are joined by lines, and the network is told the direction of each at a random time.
  function update(run) {
    const ends = data(run.kind, BATCH, run.rng);
    let starts = noise(BATCH, run.rng);
    const before = squared(starts, ends);
    if (run.transport) {
      const order = assign(starts, ends), unpaired = starts;
      starts = unpaired.map((_, k) => unpaired[2 * order[k >> 1] + (k & 1)]);
    }
    const t = Float64Array.from({ length: BATCH }, run.rng.uniform);
    const x = starts.map((start, k) => (1 - t[k >> 1]) * start + t[k >> 1] * ends[k]);
    const direction = ends.map((end, k) => end - starts[k]);
    const { loss, grads } = gradient(run.net, x, t, direction);
    adam(run.net, grads, run.state, 4e-3 / Math.sqrt(1 + run.step / 200));
    run.step += 1;
    blend(run.average, run.net, Math.max(0.02, 1 / run.step));
    run.losses.push(loss);
    run.batch = { starts, ends, x, before, after: squared(starts, ends) };
    return loss;
  }

  // ---------------------------------------------------------------- sampling: Euler steps from noise at time 0 to time 1
  function follow(net, starts, steps) {
    const path = [starts], num = starts.length / 2;
    for (let k = 0; k < steps; k++) {
      const now = path[k], arrows = forward(net, now, new Float64Array(num).fill(k / steps));
      path.push(now.map((place, i) => place + arrows[i] / steps));
    }
    return path; // steps + 1 clouds
  }

  // How long ways are, as a multiple of the straight line between their ends, over all points together.
  function crookedness(path) {
    let walked = 0, straight = 0;
    const last = path[path.length - 1];
    for (let n = 0; n < last.length; n += 2) {
      for (let k = 1; k < path.length; k++) walked += Math.hypot(path[k][n] - path[k - 1][n], path[k][n + 1] - path[k - 1][n + 1]);
      straight += Math.hypot(last[n] - path[0][n], last[n + 1] - path[0][n + 1]);
    }
    return walked / straight;
  }

  // Energy distance of two clouds, without pairs of a point with itself; 0 on average if both have one density.
  function energy(a, b) {
    const mean = (one, other, same) => {
      let total = 0;
      for (let i = 0; i < one.length; i += 2) for (let j = 0; j < other.length; j += 2) total += Math.hypot(one[i] - other[j], one[i + 1] - other[j + 1]);
      const [n, m] = [one.length / 2, other.length / 2];
      return total / (same ? n * (n - 1) : n * m);
    };
    return 2 * mean(a, b, false) - mean(a, a, true) - mean(b, b, true);
  }

  window.courseFlow = { random, noise, data, network, forward, gradient, adam, assign, training, update, follow, crookedness, energy, DENSITIES, BATCH };
})();
