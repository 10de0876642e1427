"""The record of a training by a likelihood, and the signs that its codes say nothing."""

import warnings
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 3  # readings in a row in which a sign must hold before anything is said
COLLAPSED = 0.1  # nats in a whole code
# Before it has learned anything a code says nothing either: it is judged once it said something, or
# after so many steps.
HAD_SOME, WARM_UP = 1.0, 500
DEAD = 0.1  # share of the codebook

ADVICE_COLLAPSED = (
    "The posterior has collapsed: a code tells {value:.3f} nats about its image, so the decoder "
    "draws without it, the same for all. Compare the two terms' units first: a reconstruction that "
    "is a mean over pixels makes the divergence weigh too much. Then let the divergence in slowly "
    "(anneal=a quarter of the steps), give it free_bits=0.1, or lower beta or a fixed sigma."
)
ADVICE_DEAD = (
    "The codebook dies: codes are used as if there were {value:.0f} of {total}. Let dead codes be "
    "restarted (restart=0.1), take fewer (num_codes) or vectors of fewer numbers (dim), lower the "
    "commitment or the learning rate."
)


@dataclass
class VariationalHistory:
    """What was read while a model learned.

    Attributes:
        steps: one dictionary per reading, each a mean over the steps since the last one: "step" and
            "images" (shown, all processes together), "loss", "seconds" (of the whole run so far);
            of a VAE "elbo" (nats per image, with weight 1), "log_likelihood" and "divergence" (its
            two parts), "active" (numbers of a code with more than 0.01 nats on average), "beta"
            (the weight in force); of a VQ-VAE "log_likelihood", "quantiser_loss", "perplexity" (of
            the codes of a batch); of a prior "nats" (per image); and where the run was evaluated,
            the scores.
        warnings: what went wrong, with advice.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """Return one quantity over the readings in which it was measured."""
        return [reading[name] for reading in self.steps if name in reading]

    def warn(self, message: str) -> None:
        """Say once what goes wrong, and keep it."""
        if message not in self.warnings:
            self.warnings.append(message)
            warnings.warn(message, stacklevel=3)

    def look_for_trouble(self, num_codes: int | None) -> None:
        """Warn when the last readings show that codes say nothing, or are not used.

        Args:
            num_codes: of the codebook that learns, if one does.
        """
        last, said = self.steps[-PATIENCE:], " ".join(self.warnings)
        if len(last) < PATIENCE:
            return
        if "divergence" in last[-1]:
            told = [reading["divergence"] for reading in last]
            grown = max(self.column("divergence")) > HAD_SOME or last[0]["step"] >= WARM_UP
            if grown and max(told) < COLLAPSED and "collapsed" not in said:
                self.warn(ADVICE_COLLAPSED.format(value=sum(told) / PATIENCE))
        if "perplexity" in last[-1] and num_codes is not None:
            used = [reading["perplexity"] for reading in last]
            # A batch of few vectors cannot use many codes.
            most = min(num_codes, last[-1]["vectors"])
            grown = last[0]["step"] >= WARM_UP
            if grown and max(used) < max(1.5, DEAD * most) and "dies" not in said:
                self.warn(ADVICE_DEAD.format(value=sum(used) / PATIENCE, total=num_codes))
