"""A user's coefficient folder: a copy of the one in use, with the biomass model of a local fit."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from pipeline.errors import OutputError, os_error_sentence
from pipeline.execution.whole_file import whole
from pipeline.questions.fit import ENOUGH_SITES, Fit


def write_local_coefficients(source: Path, folder: Path, fit: Fit, index: str, origin: str) -> None:
    """Copy the coefficient files of ``source`` to ``folder`` with the fitted biomass model, its range and its residual
    in that of grassland; the fit is on ``index``, to the plots that ``origin`` describes. Comments and all other rows
    stay.

    A fit on fewer than 30 sites is marked unverified. Raises OutputError, also if the two folders are the same.
    """
    if folder.resolve() == source.resolve():
        raise OutputError(f"{folder}: holds the coefficients in use; choose another folder with --to")
    yaml = YAML()
    yaml.width, yaml.preserve_quotes = 4096, True  # keep lines as they are
    yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(source.glob("*.yaml")):
            content = yaml.load(file.read_text(encoding="utf-8-sig"))
            if content.get("ecosystem") == "grassland":
                _put_fit(content, fit, index, origin)
            with whole(folder / file.name) as part, part.open("w", encoding="utf-8", newline="\n") as out:
                yaml.dump(content, out)
    except OSError as error:
        raise OutputError(os_error_sentence(error, folder)) from error


def _put_fit(content: CommentedMap, fit: Fit, index: str, origin: str) -> None:
    status = "local" if fit.x.size >= ENOUGH_SITES else "unverified"
    model = fit.model
    formula = "y = a x^b" if model.form == "power" else "ln y = a + b x"
    content["biomass_model"] = {
        "form": model.form,
        "index": index,
        "dry_agb": {
            "value": _flow(*(_rounded(parameter) for parameter in (model.a, model.b))),
            "unit": f"g DM/m2, a and b of {formula}",
            "u95_percent": round(fit.zone_u95_percent, 1),
            "valid": _flow(0, 5),
            "source": f"{origin}; half-width of the mean of a block left out",
            "status": status,
        },
        "log_residual": _rounded(model.log_residual),
    }
    content["residual"] |= {
        "u95_percent": round(fit.site_u95_percent, 1),
        "source": f"{origin}; half-width of a site in a block left out",
        "status": status,
    }
    for stratum in content["strata"].values():
        stratum["index_range"] = _flow(*(round(end, 4) for end in fit.index_range))


def _flow(*values: float) -> CommentedSeq:
    row = CommentedSeq(values)
    row.fa.set_flow_style()
    return row


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
