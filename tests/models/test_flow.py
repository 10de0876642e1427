"""The U-Net that is told the time, and the flow around it."""

import math

import pytest
import torch
import torch.nn.functional as F

from course_lib.models import Flow, PatchTransformer, TimeUNet, generator_of
from course_lib.models.flow import FIRST
from course_lib.models.time_unet import Norm, waves_of
from course_lib.ops import TARGETS, convert
from course_lib.ops.paths import coefficients, mix
from course_lib.train import draw_samples

SMALL = {"widths": (8, 12), "blocks": 1, "heads": 2}
SHAPES = [(1, (8, 8), 1), (3, (33, 17), 2), (2, (9, 14), 2), (1, (13, 10), 4)]


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """Weights that begin at 0 would hide what reaches the answer."""
    torch.manual_seed(1)
    for part in model.parameters():
        torch.nn.init.normal_(part, 0.0, 0.2)
    return model.eval()


def flow(**given) -> Flow:
    network = {"in_channels": 1, "size": (9, 6), "num_classes": 3, **SMALL}
    return lively(Flow(network=network, **{"steps": 3, **given}))


@pytest.mark.parametrize(("channels", "size", "patch"), SHAPES)
@pytest.mark.parametrize("classes", [0, 4])
def test_shapes_at_odd_sizes_too(channels: int, size, patch: int, classes: int) -> None:
    net = lively(
        TimeUNet(in_channels=channels, size=size, num_classes=classes, patch=patch, **SMALL)
    )
    x, t = torch.randn(3, channels, *size), torch.rand(3)
    labels = torch.tensor([0, -1, 3]) if classes else None
    out = net.train()(x, t, labels)
    assert out.shape == x.shape
    out.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


def test_it_begins_by_answering_nothing() -> None:
    net = TimeUNet(size=8, **SMALL)
    assert not net(torch.randn(2, 1, 8, 8), torch.rand(2)).any()


def test_every_picture_is_answered_by_itself() -> None:
    """And time and class reach the answer."""
    net = lively(TimeUNet(size=8, num_classes=3, **SMALL))
    x, t, labels = torch.randn(4, 1, 8, 8), torch.rand(4), torch.tensor([0, 1, 2, -1])
    together = net(x, t, labels)
    for i in range(4):
        alone = net(x[i : i + 1], t[i : i + 1], labels[i : i + 1])
        assert torch.allclose(alone[0], together[i], atol=1e-4)
    assert not torch.allclose(net(x, t / 2, labels), together, atol=1e-3)
    assert not torch.allclose(net(x, t, labels.roll(1)), together, atol=1e-3)


def test_waves_tell_times_apart() -> None:
    """The trap: waves of t itself, from 0 to 1, are nearly all constant."""
    t = torch.linspace(0, 1, 11)
    assert waves_of(t, 32).std(0).gt(0.1).float().mean() > 0.6
    assert waves_of(t, 32, scale=1.0).std(0).gt(0.1).float().mean() < 0.3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_the_normalisation_answers_with_32_bits_at_least(dtype: torch.dtype) -> None:
    x = (100 + torch.randn(2, 12, 5, 7)).to(dtype)
    norm = Norm(12).to(torch.float64 if dtype == torch.float64 else torch.float32)
    wanted = F.group_norm(x.double(), 6)
    assert norm(x).dtype == max(dtype, torch.float32, key=lambda kind: kind.itemsize)
    assert (norm(x) - wanted).abs().max() < 0.004  # rounded to bfloat16: 0.008 and more
    if dtype == torch.bfloat16:
        assert (F.group_norm(x, 6) - wanted).abs().max() > 0.004


@pytest.mark.parametrize("patch", [1, 2])
def test_a_step_in_bfloat16_gives_nearly_the_gradients_of_float32(patch: int) -> None:
    net = lively(TimeUNet(in_channels=1, size=(12, 8), patch=patch, **SMALL))
    x, t = torch.randn(4, 1, 12, 8), torch.rand(4)
    gradients = []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            said = net(x, t)
        found = torch.autograd.grad(said.float().square().mean(), list(net.parameters()))
        gradients.append(torch.cat([part.flatten() for part in found]))
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


@pytest.mark.slow
@pytest.mark.parity
def test_the_network_equals_diffusers() -> None:
    """UNet2DModel of equal widths and blocks with our weights gives our answers."""
    from course_lib.results.bench.flow import peer_of, weights_for

    net = lively(TimeUNet(in_channels=3, size=16, widths=(16, 24, 32), blocks=2, patch=1, heads=4))
    peer = peer_of(net).eval()
    peer.load_state_dict(weights_for(net))
    x, t = torch.randn(3, 3, 16, 16), torch.rand(3)
    with torch.no_grad():
        assert torch.allclose(net(x, t), peer(x, 1000 * t).sample, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("path", ["straight", "cosine"])
@pytest.mark.parametrize("predicts", TARGETS)
@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "ddim", "ancestral"])
def test_every_way_of_asking_gives_finite_pictures(path: str, predicts: str, solver: str) -> None:
    model = flow(path=path, predicts=predicts, solver=solver, guidance=1.5)
    assert generator_of(model) is model
    for steps in (1, 4):
        model.steps = steps
        assert draw_samples(model, 5).shape == (5, 1, 9, 6)


def test_a_sheet_begins_with_the_shorter_one() -> None:
    model = flow()
    assert torch.equal(draw_samples(model, 4), draw_samples(model, 7)[:4])
    assert not torch.equal(draw_samples(model, 4), draw_samples(model, 4, seed=1))


def test_guidance_is_what_it_says() -> None:
    model = flow()
    x, t, labels = torch.randn(3, 1, 9, 6), torch.tensor(0.4), torch.tensor([0, 1, 2])
    none = model.network(x, t.expand(3), torch.full((3,), -1))
    told = model.network(x, t.expand(3), labels)
    assert torch.equal(model.answer(x, t, labels, guidance=0), none)
    assert torch.equal(model.answer(x, t, labels, guidance=1), told)
    beyond = model.answer(x, t, labels, guidance=3)
    assert torch.allclose(beyond, none + 3 * (told - none), atol=1e-4)


@pytest.mark.slow
def test_a_picture_is_led_back_to_its_noise_and_again() -> None:
    model = flow(steps=60)
    for part in model.parameters():
        part.data.mul_(0.5)  # a gentle field, which sixty steps follow closely
    images, labels = torch.randn(2, 1, 9, 6).clamp(-1, 1), torch.tensor([0, 2])
    noise = model.invert(images, labels)
    with torch.no_grad():
        again = model.follow(noise, labels)
    assert (noise - images).abs().max() > 0.05
    assert torch.allclose(again, images, atol=2e-2)


def test_heuns_last_step_to_data_does_not_ask_for_the_velocity_there(monkeypatch) -> None:
    model, asked = flow(), []
    own = model.velocity

    def velocity(x, t, labels=None, *, guidance=None):
        asked.append(float(t))
        return own(x, t, labels, guidance=guidance)

    monkeypatch.setattr(model, "velocity", velocity)
    noise = torch.randn(2, 1, 9, 6)
    ways = {
        "to data": ({"solver": "heun"}, [0, 0.5, 0.5]),
        "as it is told": ({"solver": "heun", "last_euler": False}, [0, 0.5, 0.5, 1]),
        "midpoint": ({"solver": "midpoint"}, [0, 0.25, 0.5, 0.75]),
        "back": ({"solver": "heun", "start": 1.0, "end": 0.0}, [1, 0.5, 0.5, 0]),
        "half of the way": ({"solver": "heun", "end": 0.5}, [0, 0.25, 0.25, 0.5]),
    }
    for name, (way, times) in ways.items():
        asked.clear()
        with torch.no_grad():
            model.follow(noise, torch.tensor([0, 2]), steps=2, guidance=1.0, **way)
        assert asked == pytest.approx(times), name


def test_inpainting_keeps_what_is_known() -> None:
    model = flow(steps=4)
    images, noise, labels = *torch.randn(2, 2, 1, 9, 6), torch.tensor([0, 1])
    known = torch.zeros(9, 6)
    known[:, :3] = 1
    made = model.inpaint(images, known, labels, noise=noise)
    assert torch.equal(made[..., :3], images[..., :3])
    other = model.inpaint(images, known, labels, noise=torch.randn(2, 1, 9, 6))
    assert not torch.allclose(other[..., 3:], made[..., 3:])
    # What is kept reaches what is drawn.
    moved = model.inpaint(-images, known, labels, noise=noise)
    assert not torch.allclose(moved[..., 3:], made[..., 3:], atol=1e-4)


def test_image_to_image_keeps_less_the_earlier_it_starts() -> None:
    model = flow(steps=20)
    for part in model.parameters():
        part.data.mul_(0.5)
    images, noise, labels = *torch.randn(2, 2, 1, 9, 6), torch.tensor([0, 1])
    away = [
        (model.edit(images, labels, start=start, noise=noise) - images).square().mean()
        for start in (0.95, 0.5, 0.1)
    ]
    assert away[0] < away[1] < away[2]


@pytest.mark.slow
def test_the_density_of_pictures_in_an_untrained_flow_is_that_of_noise() -> None:
    """A network that answers 0 leads nowhere."""
    model = Flow(network={"in_channels": 1, "size": (5, 7), "widths": (8,), "blocks": 1})
    images = torch.randn(3, 1, 5, 7)
    signs = torch.randint(2, (2, *images.shape)).float() * 2 - 1
    for probes in (None, signs):
        got = model.log_density(images, steps=4, probes=probes).log_density
        normal = torch.distributions.Normal(0, 1).log_prob(images).flatten(1).sum(1)
        assert torch.allclose(got, normal, atol=1e-4)


@pytest.mark.adversarial
@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: flow(path="curly"), "path is 'curly'"),
        (lambda: flow(predicts="words"), "predicts is 'words'"),
        (lambda: flow(solver="magic"), "solver is 'magic'"),
        (lambda: flow(steps=0), "at least one"),
        (lambda: flow(path="linear"), "no bounded velocity"),
        (lambda: Flow(network=SMALL, guidance=2.0), "knows no classes"),
        (lambda: TimeUNet(size=3, **SMALL), "Give fewer widths"),
        (lambda: TimeUNet(widths=(8, 9), heads=2), "do not divide"),
        (lambda: flow()(torch.randn(2, 54)), "has 3 classes"),
        (lambda: flow()(torch.randn(2, 50), torch.zeros(2).long()), "z: got"),
        (lambda: flow().network(torch.randn(2, 1, 9, 6), torch.rand(3)), "t: got"),
        (lambda: flow().network(torch.randn(2, 1, 9, 7), torch.rand(2)), "x: got"),
        (
            lambda: flow().velocity(
                torch.randn(1, 1, 9, 6), torch.tensor(1.4), torch.zeros(1).long()
            ),
            "0 \\(noise\\) to 1",
        ),
        (lambda: flow()(torch.randn(1, 54), torch.tensor([7])), "0 to 2"),
    ],
)
def test_what_makes_no_sense_is_refused(call, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()


class Offset(torch.nn.Module):
    """What a network for data N(0, 0.25) should say, wrong by a small number everywhere."""

    def __init__(self, path: str, predicts: str, offset: float) -> None:
        super().__init__()
        self.path, self.predicts, self.offset = path, predicts, offset

    def forward(self, x, times, labels=None):
        alpha, sigma, *_ = (value[:, None, None, None] for value in coefficients(self.path, times))
        image = 0.25 * alpha * x / (0.25 * alpha**2 + sigma**2)
        said = convert(image, x, times, given="image", wanted=self.predicts, path=self.path)
        return said + self.offset


def nearly(path: str, predicts: str, *, offset: float, **options) -> Flow:
    network = {"in_channels": 1, "size": (4, 6), "widths": (8,), "heads": 0}
    flow = Flow(network=network, path=path, predicts=predicts, **options)
    flow.network = Offset(path, predicts, offset)
    return flow


@pytest.mark.parametrize("path", ["straight", "cosine"])
@pytest.mark.parametrize("predicts", TARGETS)
def test_no_way_blows_up_a_small_error(path: str, predicts: str) -> None:
    flow = nearly(path, predicts, offset=0.01, steps=24)
    x = 0.5 * torch.randn(5, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    noise = flow.invert(x)
    assert (noise - 2 * x).abs().mean() < 0.1  # data N(0, 0.25): the noise is twice the picture
    assert (flow.follow(2 * x) - x).abs().mean() < 0.05
    assert (flow.follow(noise) - x).abs().mean() < 0.03
    found = flow.log_density(x).log_density
    wanted = torch.distributions.Normal(0, 0.5).log_prob(x).flatten(1).sum(1)
    assert (found - wanted).abs().max() < 1.5


@pytest.mark.parametrize("path", ["straight", "cosine"])
@pytest.mark.parametrize("predicts", TARGETS)
def test_the_way_back_ends_at_the_noise_itself(path: str, predicts: str) -> None:
    """And not at a little less of it."""
    flow = nearly(path, predicts, offset=0.0, steps=48)
    x = 0.5 * torch.randn(5, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    assert float((flow.invert(x) / (2 * x)).mean()) == pytest.approx(1, abs=0.01)
    assert float(flow.log_density(x).noise.std() / x.std()) == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("path", ["straight", "cosine"])
@pytest.mark.parametrize("predicts", ["image", "noise"])
def test_the_density_is_that_of_the_pictures_themselves(path: str, predicts: str) -> None:
    """Also where the way begins or ends a little early: pictures times alpha, noise times sigma."""
    flow = nearly(path, predicts, offset=0.0, steps=48)
    x = 0.5 * torch.randn(5, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    wanted = torch.distributions.Normal(0, 0.5).log_prob(x).flatten(1).sum(1)
    assert (flow.log_density(x).log_density - wanted).abs().max() < 0.1


def test_a_path_without_bounded_velocity_says_so() -> None:
    flow = nearly("linear", "noise", offset=0.0, solver="ddim", steps=24)
    x = torch.zeros(2, 1, 4, 6)
    with pytest.raises(ValueError, match="no bounded velocity"):
        flow.log_density(x)
    assert flow.invert(x + 0.3).isfinite().all()  # by DDIM, which serves this path
    with pytest.raises(ValueError, match="steps is 0"):
        nearly("straight", "velocity", offset=0.0).log_density(x, steps=0)


@pytest.mark.parametrize(("weight", "classes"), [(math.nan, 3), (math.inf, 3), (2.0, 0)])
def test_guidance_has_to_make_sense(weight: float, classes: int) -> None:
    network = {"in_channels": 1, "size": (9, 6), "num_classes": classes, **SMALL}
    model, labels = Flow(network=network, steps=2), torch.tensor([1]) if classes else None
    with pytest.raises(ValueError, match="guidance is"):
        model.follow(torch.zeros(1, 1, 9, 6), labels, guidance=weight)
    with pytest.raises(ValueError, match="guidance is"):
        Flow(network=network, guidance=weight)


def test_attention_has_no_fewer_than_no_heads() -> None:
    with pytest.raises(ValueError, match="heads is -1"):
        TimeUNet(in_channels=1, size=8, widths=(8,), heads=-1)


def asked_states(model: Flow, monkeypatch) -> list[tuple[torch.Tensor, float]]:
    """Every state and time at which the flow's network is asked from now on."""
    seen: list[tuple[torch.Tensor, float]] = []
    plain = model.network.forward

    def spy(x, t, labels=None):
        seen.append((x.clone(), float(t[0])))
        return plain(x, t, labels)

    monkeypatch.setattr(model.network, "forward", spy)
    return seen


@pytest.mark.parametrize("path", ["straight", "cosine"])
@pytest.mark.parametrize("predicts", ["velocity", "noise"])
def test_known_pixels_stand_where_their_noise_belongs(path, predicts, monkeypatch) -> None:
    """At the start of each step they are the pictures' own with the noise of that time."""
    model = nearly(path, predicts, offset=0.0, steps=5, solver="euler")
    seen = asked_states(model, monkeypatch)
    images, noise = 0.5 * torch.randn(3, 1, 4, 6), torch.randn(3, 1, 4, 6)
    known = torch.zeros(3, 1, 4, 6)
    known[0, :, :2], known[2] = 1, 1
    made = model.inpaint(images, known, noise=noise)
    assert len(seen) == 5
    for x, t in seen:
        wanted = mix(images, noise, torch.tensor(t), path)
        assert torch.allclose(x[known == 1], wanted[known == 1], atol=1e-6)
        if t > 0.1:
            assert not torch.allclose(x[known == 0], wanted[known == 0], atol=1e-2)
    assert torch.equal(made[known == 1], images[known == 1])
    start = FIRST if predicts == "noise" else 0.0
    assert [t for _, t in seen] == pytest.approx([start + k * (1 - start) / 5 for k in range(5)])
    # What is drawn begins at the noise with its share.
    sigma = coefficients(path, torch.tensor(start)).sigma
    assert torch.allclose(seen[0][0][1], sigma * noise[1], atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(3, 6, 5), (2, 1, 6, 5), (3, 3, 6, 5), (6, 4), (1, 6, 5)], ids=str
)
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """(B, H, W) would be taken for channels where there are as many."""
    model = Flow(network={"in_channels": 3, "size": (6, 5), **SMALL}, steps=1)
    images = torch.zeros(3, 3, 6, 5)
    with pytest.raises(ValueError, match="known: got shape"):
        model.inpaint(images, torch.ones(shape), noise=images)
    with pytest.raises(ValueError, match="noise: got shape"):
        model.inpaint(images, torch.ones(6, 5), noise=images[:1])
    with pytest.raises(ValueError, match="noise: got shape"):
        model.edit(images, start=0.5, noise=images[:1])


def test_one_mask_serves_all_pictures() -> None:
    model = nearly("straight", "velocity", offset=0.0, steps=2)
    images, noise = torch.randn(3, 1, 4, 6), torch.randn(3, 1, 4, 6)
    mask = (torch.rand(4, 6) > 0.5).float()
    one, each = mask[None, None], mask.expand(3, 1, 4, 6)
    made = [model.inpaint(images, known, noise=noise) for known in (mask, one, each)]
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])


@pytest.mark.parametrize(
    ("start", "times"), [(0.0, [0, 0.25, 0.5, 0.75]), (0.5, [0.5, 0.75]), (0.9, [0.9])]
)
def test_an_edit_goes_the_rest_of_the_way(start: float, times, monkeypatch) -> None:
    model = nearly("straight", "velocity", offset=0.0, steps=4, solver="euler")
    seen = asked_states(model, monkeypatch)
    images, noise = torch.randn(2, 1, 4, 6), torch.randn(2, 1, 4, 6)
    model.edit(images, start=start, noise=noise)
    assert [t for _, t in seen] == pytest.approx(times)
    assert torch.allclose(seen[0][0], start * images + (1 - start) * noise, atol=1e-6)


def test_the_way_back_and_the_density_leave_guidance_out() -> None:
    strong, plain = flow(guidance=3.0, steps=2), flow(guidance=1.0, steps=2)
    x, labels = 0.1 * torch.randn(2, 1, 9, 6), torch.tensor([0, 2])
    assert torch.equal(strong.invert(x, labels), plain.invert(x, labels))
    probes = torch.randn(1, 2, 1, 9, 6).sign()
    found = [m.log_density(x, labels, probes=probes).log_density for m in (strong, plain)]
    assert torch.equal(*found)
    assert not torch.equal(strong.follow(x, labels), plain.follow(x, labels))


@pytest.mark.parametrize("architecture", ["unet", "transformer"])
def test_double_precision_and_small_labels(architecture: str) -> None:
    network = {"in_channels": 1, "size": (8, 6), "num_classes": 3}
    network |= SMALL if architecture == "unet" else {"width": 8, "layers": 1, "heads": 2}
    model = lively(Flow(network=network, architecture=architecture, guidance=2.0, steps=2))
    x, labels = torch.randn(2, 1, 8, 6), torch.tensor([2, 0])
    single = model.follow(x, labels)
    assert torch.equal(model.follow(x, labels.to(torch.uint8)), single)
    double = model.double().follow(x.double(), labels)
    assert double.dtype == torch.float64
    assert torch.allclose(double.float(), single, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: TimeUNet(size=4, widths=(1,), heads=0, num_classes=2),
        lambda: PatchTransformer(size=4, width=4, heads=1, num_classes=2),
    ],
)
def test_the_narrowest_network_hears_the_time(make) -> None:
    net, x = lively(make()), torch.randn(1, 1, 4, 4)
    told = [net(x, torch.tensor([t]), torch.tensor([1])) for t in (0.0, 0.3)]
    assert not torch.equal(*told)


@pytest.mark.parametrize(
    "call",
    [
        lambda: TimeUNet(size=8, widths=(8, -4)),
        lambda: TimeUNet(size=8, widths=(0,)),
        lambda: TimeUNet(size=8, in_channels=0, **SMALL),
        lambda: TimeUNet(size=8, num_classes=-1, **SMALL),
        lambda: PatchTransformer(size=0),
        lambda: PatchTransformer(size=8, num_classes=-1),
        lambda: PatchTransformer(size=8, in_channels=0),
    ],
)
def test_numbers_below_one_are_refused(call) -> None:
    with pytest.raises(ValueError, match=r"(at least 1|below 1)"):
        call()


def test_ancestral_sampling_leads_to_data_only() -> None:
    with pytest.raises(ValueError, match='use the solver "ddim"'):
        flow(solver="ancestral").follow(
            torch.zeros(1, 1, 9, 6), torch.tensor([0]), start=1.0, end=0.0
        )
