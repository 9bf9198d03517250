"""A small world for each test."""

import pytest

from tests.lifecycle.feedback.feedback_world import FeedbackWorld


@pytest.fixture
def world(tmp_path, monkeypatch):
    return FeedbackWorld(tmp_path, monkeypatch)
