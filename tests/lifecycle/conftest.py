"""What tests of this folder share with those of serving."""

from tests.serving.conftest import exported_rows, strict_exported, strict_rows, strict_spec

__all__ = ["exported_rows", "strict_exported", "strict_rows", "strict_spec"]
