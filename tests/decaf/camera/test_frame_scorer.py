"""What a frame's score is compared with."""

import pytest

from decaf.camera.frame_scorer import FrameScorer


def test_percentiles_lie_between_those_of_the_photos_compared_with():
    scorer = FrameScorer(lambda rgb: 0.5, 32, "squash", (0.2, 0.3, 0.3, 0.5), "four photos")
    found = [scorer.percentile(probability) for probability in (0.1, 0.2, 0.25, 0.4, 0.9)]
    assert found == pytest.approx([0, 0, 0.5, 2.5, 100])
    assert FrameScorer(lambda rgb: 0.5, 32, "squash").percentile(0.5) is None
