"""What tests of this folder share with those of serving."""

from tests.serving.conftest import exported_rows

__all__ = ["exported_rows"]
