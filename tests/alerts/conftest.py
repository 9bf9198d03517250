"""What tests of this folder share with those of serving."""

from tests.serving.conftest import strict_exported, strict_spec

__all__ = ["strict_exported", "strict_spec"]
