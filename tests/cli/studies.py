"""A study of the smallest searches: two experiments on one data set."""

from pathlib import Path

from command_line import TINY_SETTINGS

#: The folders of its experiments.
NAMES = ("small", "small+reevaluate=false")


def write_study(folder: Path, *settings: str) -> Path:
    """Writes the study and the experiment that it varies, with more settings, into a folder."""
    sections: dict[str, list[str]] = {}
    for setting in (*TINY_SETTINGS, *settings):
        name, _, value = setting.partition("=")
        section, _, last = name.rpartition(".")
        sections.setdefault(section, []).append(f"{last} = {value}")
    text = "\n".join(sections.pop(""))
    text += "".join(f"\n[{name}]\n" + "\n".join(lines) for name, lines in sections.items())
    (folder / "small.toml").write_text(f'extends = "cifar"\n{text}\n')
    study = folder / "study.toml"
    study.write_text(
        '[[experiments]]\npreset = "small.toml"\n'
        '[[experiments]]\npreset = "small.toml"\nset = ["search.reevaluate=false"]\n'
    )
    return study
