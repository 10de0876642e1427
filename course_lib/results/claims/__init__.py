"""The list of claims: everything the book says with a measured number."""

from course_lib.results.claim import Claim
from course_lib.results.claims import classifier, foundation, unet

CLAIMS: dict[str, Claim] = {
    claim.name: claim for claim in (*classifier.CLAIMS, *unet.CLAIMS, *foundation.CLAIMS)
}
