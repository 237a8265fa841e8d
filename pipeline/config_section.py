"""What every section of the configuration has in common."""

from pydantic import ConfigDict

from pipeline.ecosystems import Frozen


class Section(Frozen):
    """A section of the config. The text below a key, or that of the section it holds, tells its meaning in editors and
    in ``docs/config.md``."""

    model_config = ConfigDict(use_attribute_docstrings=True)
