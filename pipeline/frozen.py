"""Values read from YAML: checked by their model, and unchangeable."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A checked, unchangeable value read from YAML; unknown keys are errors, and so are infinity and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Section(Frozen):
    """A section of the config. The text below a key, or of the section in it, explains the key in editors and in
    ``docs/config.md``."""

    model_config = ConfigDict(use_attribute_docstrings=True)
