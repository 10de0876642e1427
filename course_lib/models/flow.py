"""A generator that follows a velocity from noise to pictures: a network, and how it is asked.

Flow matching and diffusion differ in the path and in what the network says; once trained, both are
asked the same questions. Noise in, picture out, so a flow stands where any other generator does.

Source: Lipman et al., arXiv:2210.02747; Ho, Jain and Abbeel, arXiv:2006.11239; the two as one
family in Albergo, Boffi and Vanden-Eijnden, arXiv:2303.08797. Inpainting as in Lugmayr et al.,
arXiv:2201.09865, without its resampling; image to image as in Meng et al., arXiv:2108.01073.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.models.conditioning import check_latent
from course_lib.models.patch_transformer import PatchTransformer
from course_lib.models.time_unet import NOT_TOLD, TimeUNet
from course_lib.ops.paths import check_path, check_target, check_times, coefficients, convert, mix
from course_lib.ops.solvers import (
    SAMPLERS,
    SOLVERS,
    Likelihood,
    Seen,
    ancestral,
    ddim,
    guided,
    path_log_density,
    solve,
    time_steps,
)

NETWORKS: dict[str, type[TimeUNet] | type[PatchTransformer]] = {
    "unet": TimeUNet,
    "transformer": PatchTransformer,
}
LAST = 0.98  # a way back from data begins here if the network says the image, see `_leave_data`
FIRST = 0.02  # a way from noise begins here if the network says the noise, see `_begin`


class Flow(nn.Module):
    """A network with time, the path it was trained on, and how samples are drawn from it.

    Args:
        network: arguments of the network.
        architecture: "unet", a `TimeUNet`, or "transformer", a `PatchTransformer`.
        path: from noise to data, "straight", "cosine" or "linear".
        predicts: what the network says, "velocity", "noise", "image" or "v".
        solver: "euler", "midpoint", "heun", "ddim" or "ancestral".
        steps: of it, from noise to data.
        guidance: weight of the class: 0 leaves it out, 1 is what was trained, more exaggerates.

    Raises:
        ValueError: for a word that is none of these, fewer than one step, a solver of velocities on
            the path "linear", or guidance without classes.
    """

    def __init__(
        self,
        *,
        network: dict[str, Any],
        architecture: str = "unet",
        path: str = "straight",
        predicts: str = "velocity",
        solver: str = "heun",
        steps: int = 12,
        guidance: float = 1.0,
    ) -> None:
        super().__init__()
        check_path(path)
        check_target(predicts)
        self.path, self.predicts = path, predicts
        if architecture not in NETWORKS:
            raise ValueError(
                f"architecture is {architecture!r}; choose one of {', '.join(NETWORKS)}."
            )
        self.network = NETWORKS[architecture](**network)
        self.out_channels, self.size = self.network.in_channels, self.network.size
        self.num_classes = self.network.num_classes
        self.shape: tuple[int, ...] = (self.out_channels, *self.size)  # of what is led along
        self.latent_dim = self.out_channels * self.size[0] * self.size[1]
        self.solver, self.steps, self.guidance = solver, steps, guidance
        self._check_way(solver, steps)
        self._check_guidance(guidance)

    def answer(
        self, x: Tensor, t: Tensor, labels: Tensor | None = None, *, guidance: float | None = None
    ) -> Tensor:
        """Return what the network says (B, C, H, W), with guidance.

        Args:
            x: (B, C, H, W), samples on the way.
            t: a scalar, or (B,).
            labels: (B,) for a network with classes; -1 is "not told".
            guidance: its weight; ``None``: the flow's own.
        """
        check_times(t)
        weight = self.guidance if guidance is None else guidance
        self._check_guidance(weight)
        times = t.expand(len(x)) if t.ndim == 0 else t
        if labels is None or weight == 1:
            return self.network(x, times, labels)
        untold = self.network(x, times, torch.full_like(labels, NOT_TOLD, dtype=torch.long))
        if weight == 0:
            return untold
        return guided(untold, self.network(x, times, labels), weight)

    def velocity(
        self, x: Tensor, t: Tensor, labels: Tensor | None = None, *, guidance: float | None = None
    ) -> Tensor:
        """Return the velocity (B, C, H, W); the arguments are those of `answer`."""
        said = self.answer(x, t, labels, guidance=guidance)
        return convert(said, x, t, given=self.predicts, wanted="velocity", path=self.path)

    def denoise(
        self, x: Tensor, t: Tensor, labels: Tensor | None = None, *, guidance: float | None = None
    ) -> Tensor:
        """Return the mean of all pictures that x may come from; arguments as of `answer`."""
        said = self.answer(x, t, labels, guidance=guidance)
        return convert(said, x, t, given=self.predicts, wanted="image", path=self.path)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return pictures (B, C, H, W), about in [-1, 1], for noise (B, C * H * W).

        Raises:
            ValueError: for noise of another shape, or labels that are missing.
        """
        check_latent(z, self.latent_dim)
        return self.decode(self.follow(z.unflatten(1, self.shape), labels))

    def encode(self, images: Tensor) -> Tensor:
        """Return what is led along for pictures (B, C, H, W) in [-1, 1]: themselves."""
        return images

    def decode(self, x: Tensor) -> Tensor:
        """Return the pictures that samples stand for: themselves."""
        return x

    def follow(
        self,
        x: Tensor,
        labels: Tensor | None = None,
        *,
        start: float = 0.0,
        end: float = 1.0,
        solver: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        last_euler: bool | None = None,
        seen: Seen | None = None,
    ) -> Tensor:
        """Lead samples (B, C, H, W) from one time to another, to data or back to noise.

        Args:
            x: samples at the time `start`.
            labels: (B,) for a network with classes; -1 is "not told".
            start: 0 is noise.
            end: 1 is data. Before `start`: the way back.
            solver: ``None``: the flow's own, as with steps and guidance.
            steps: of the solver, in all.
            guidance: weight of the class.
            last_euler: whether Heun's last step is Euler's instead, which saves an evaluation;
                ``None``: where the way ends at data. There the noise can no longer be seen, and the
                best that a network can say of it, 0, leaves half of the last step's noise in place.
            seen: is told each state and its time: for a film.
        """
        solver, steps = solver or self.solver, self.steps if steps is None else steps
        self._check_shape(x)
        self._check_way(solver, steps)
        self._check_told(labels)
        if solver == "ancestral" and start > end:
            raise ValueError(
                f"The way from {start} to {end} leads back to noise, and ancestral sampling draws "
                'new noise: it leads to data only. Back, use the solver "ddim".'
            )
        back_to_noise = end == 0
        if start == 1 > end:
            x, start = self._leave_data(x)
        if start == 0:
            x, start = self._begin(x)
        times = time_steps(steps, max(start, self._low), max(end, self._low)).to(x)

        def velocity(at: Tensor, t: Tensor) -> Tensor:
            return self.velocity(at, t, labels, guidance=guidance)

        def denoise(at: Tensor, t: Tensor) -> Tensor:
            return self.denoise(at, t, labels, guidance=guidance)

        if solver in SOLVERS:
            if last_euler is None:
                last_euler = end == 1 and solver == "heun"
            x = solve(velocity, x, times, solver=solver, last_euler=last_euler, seen=seen)
        else:
            sampler = ddim if solver == "ddim" else ancestral
            x = sampler(denoise, x, times, path=self.path, seen=seen)
        return x / self._noise_share().to(x) if back_to_noise else x

    @torch.no_grad()
    def invert(
        self, images: Tensor, labels: Tensor | None = None, *, steps: int | None = None
    ) -> Tensor:
        """Return the noise (B, C, H, W) that leads to these pictures, without guidance."""
        solver = self.solver if self.solver in SOLVERS else "ddim"  # no noise of its own
        return self.follow(
            images, labels, start=1.0, end=0.0, solver=solver, steps=steps, guidance=1.0
        )

    @torch.no_grad()
    def edit(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        start: float,
        noise: Tensor,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Return other pictures that have the large features of these: image to image.

        Args:
            images: (B, C, H, W) in [-1, 1].
            labels: (B,) for a network with classes: what the pictures shall be.
            start: the time to which noise is mixed in; 0 keeps nothing, near 1 nearly all.
            noise: (B, C, H, W).
            steps: from there to data; ``None``: the flow's own, fewer for a shorter way.
            guidance: weight of the class.
        """
        self._check_pair(images, noise)
        few = max(1, round((1 - start) * self.steps)) if steps is None else steps
        x = mix(images, noise, torch.tensor(start).to(images), self.path)
        return self.follow(x, labels, start=start, steps=few, guidance=guidance)

    @torch.no_grad()
    def inpaint(
        self,
        images: Tensor,
        known: Tensor,
        labels: Tensor | None = None,
        *,
        noise: Tensor,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> Tensor:
        """Keep what is known of pictures, and draw the rest.

        At each step the known pixels are put on the way as they were mixed with the noise, so that
        the rest is drawn to fit.

        Args:
            images: (B, C, H, W) in [-1, 1].
            known: (B, 1, H, W), (1, 1, H, W) or (H, W), 1 where the picture is kept and 0 where it
                is drawn.
            labels: (B,) for a network with classes.
            noise: (B, C, H, W).
            steps: ``None``: the flow's own.
            guidance: weight of the class.

        Raises:
            ValueError: for pictures, noise or a mask of another shape.
        """
        self._check_pair(images, noise)
        if known.shape != self.shape[1:] and known.shape not in (
            (len(images), 1, *self.shape[1:]),
            (1, 1, *self.shape[1:]),
        ):
            raise ValueError(
                f"known: got shape {tuple(known.shape)}, wanted {self.shape[1:]}, one mask for "
                f"all, or {(len(images), 1, *self.shape[1:])}, one for each picture."
            )
        steps = self.steps if steps is None else steps
        self._check_way(self.solver, steps)
        times = time_steps(steps, self._low).tolist()
        kept = known.to(images)
        x, _ = self._begin(noise)
        for start, end in zip(times[:-1], times[1:], strict=True):
            here = mix(images, noise, torch.tensor(start).to(images), self.path)
            x = kept * here + (1 - kept) * x
            x = self.follow(x, labels, start=start, end=end, steps=1, guidance=guidance)
        return kept * images + (1 - kept) * x

    def log_density(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        steps: int | None = None,
        probes: Tensor | None = None,
    ) -> Likelihood:
        """Return the log-density of pictures, in nats, by `path_log_density`; without guidance."""
        steps = self.steps if steps is None else steps
        self._check_shape(images)
        self._check_way("heun", steps)
        self._check_told(labels)
        x, start = self._leave_data(images)
        times = time_steps(steps, start, self._low).to(x)

        def velocity(at: Tensor, t: Tensor) -> Tensor:
            return self.velocity(at, t, labels, guidance=1.0)

        share = self._noise_share().to(x)
        found = path_log_density(velocity, x, times, noise_std=share, probes=probes)
        # The pictures themselves, not alpha times them: log |d(alpha x)/dx|.
        scaled = images[0].numel() * self._share(start).log().item()
        return Likelihood(found.log_density + scaled, found.noise / share)

    def _leave_data(self, x: Tensor) -> tuple[Tensor, float]:
        """Return where, and when, a way from data back to noise begins.

        A network that says the image has its error divided by the share of noise, which is 0 at
        data. So the way begins a little before, at the same pictures with their share there.
        """
        if self.predicts != "image":
            return x, 1.0
        return self._share(LAST).to(x) * x, LAST

    @property
    def _low(self) -> float:
        """Return the first time at which the network is asked."""
        return FIRST if self.predicts == "noise" else 0.0

    def _begin(self, noise: Tensor) -> tuple[Tensor, float]:
        """Return where, and when, a way from noise to data begins.

        A network that says the noise has its error divided by the share of the image, which is 0 at
        noise. So the way begins a little later, at the noise with its share there, as if the image
        of so little weight were grey.
        """
        return self._noise_share().to(noise) * noise, self._low

    def _share(self, t: float) -> Tensor:
        return coefficients(self.path, torch.tensor(t))[0]

    def _noise_share(self) -> Tensor:
        return coefficients(self.path, torch.tensor(self._low))[1] if self._low else torch.ones(())

    def _check_told(self, labels: Tensor | None) -> None:
        if labels is None or not self.num_classes or not len(labels):
            return
        low, high = int(labels.min()), int(labels.max())
        if low < NOT_TOLD or high >= self.num_classes:
            raise ValueError(
                f"labels go from {low} to {high}; with {self.num_classes} classes they are 0 to "
                f"{self.num_classes - 1}, or {NOT_TOLD} for one that is not told."
            )

    def _check_shape(self, x: Tensor) -> None:
        if x.shape[1:] != self.shape:
            raise ValueError(
                f"got shape {tuple(x.shape)}, wanted (B, {', '.join(map(str, self.shape))}): what "
                "the flow leads along, which `encode` makes of pictures."
            )

    def _check_pair(self, images: Tensor, noise: Tensor) -> None:
        self._check_shape(images)
        if noise.shape != images.shape:
            raise ValueError(
                f"noise: got shape {tuple(noise.shape)}, wanted that of what it is mixed with, "
                f"{tuple(images.shape)}."
            )

    def _check_guidance(self, weight: float) -> None:
        if not math.isfinite(weight):
            raise ValueError(f"guidance is {weight}; it must be a finite number.")
        if weight != 1 and not self.num_classes:
            raise ValueError(
                f"guidance is {weight} and the network knows no classes; build it with "
                "num_classes, or leave guidance at 1."
            )

    def _check_way(self, solver: str, steps: int) -> None:
        if solver not in SAMPLERS:
            raise ValueError(f"solver is {solver!r}; choose one of {', '.join(SAMPLERS)}.")
        if steps < 1:
            raise ValueError(f"steps is {steps}; there must be at least one.")
        if self.path == "linear" and solver in SOLVERS:
            raise ValueError(
                f'The path "linear" has no bounded velocity at its end, so solver {solver!r} does '
                'not serve it: use "ddim" or "ancestral", or the path "cosine".'
            )
