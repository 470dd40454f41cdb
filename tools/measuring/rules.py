"""What breaks a rule of the house: for each rule a list of offenders, one line each."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from measuring.modules import Definition, House, Module, is_typer_command, positional

MOST_LINES = 450
#: A file as long as this is a room even if only one other enters it.
ENOUGH_LINES = 150
MOST_POSITIONAL = 4
#: What changes a list, a dictionary or a set.
CHANGES = {
    *("add", "append", "extend", "insert", "setdefault", "update"),
    *("clear", "discard", "pop", "popitem", "remove"),
}

_RECORD_BASES = {"NamedTuple", "TypedDict"}


def records_without_methods(house: House) -> list[str]:
    """Dataclasses, named tuples and typed dictionaries that do nothing."""
    return [
        f"{module}:{node.lineno} {node.name}"
        for module in house.modules
        for node in module.classes
        if _is_record(node) and not any(isinstance(each, ast.FunctionDef) for each in node.body)
    ]


def class_names_twice(house: House) -> list[str]:
    """Names that two or more classes have; plain.py writes the network again on purpose."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module in (each for each in house.modules if not str(each).endswith("/plain.py")):
        for node in module.classes:
            homes[node.name].append(f"{module}:{node.lineno}")
    return [f"{name}: {', '.join(where)}" for name, where in sorted(homes.items()) if where[1:]]


def import_circles(house: House) -> list[str]:
    """Groups of modules that import each other."""
    return [" - ".join(group) for group in house.circles()]


def files_with_one_importer(house: House) -> list[str]:
    """Short files that only one other imports, and that are no entry point."""
    entries = _entry_points(house)
    return [
        f"{module}: {', '.join(sorted(house.importers[module.name])) or 'nobody'}"
        for module in house.modules
        if len(house.importers[module.name]) < 2
        and module.lines.total < ENOUGH_LINES
        and module.name not in entries
    ]


def long_files(house: House) -> list[str]:
    """Files of more lines than a file may have."""
    return [f"{each}: {n}" for each in house.modules if (n := each.lines.total) > MOST_LINES]


def ing_twins(house: House) -> list[str]:
    """Modules `xing.py` beside `x.py`."""
    return [
        f"{module}: {beside}"
        for module in house.modules
        for beside in _verbs(module.path.stem)
        if (house.root / module.path.with_name(f"{beside}.py")).is_file()
    ]


def long_signatures(house: House) -> list[str]:
    """Functions, no commands, with too many parameters that may be given by their place."""
    return [
        f"{module}:{each.lineno} {each.name}({', '.join(positional(each))})"
        for module in house.modules
        for each in module.functions
        if len(positional(each)) > MOST_POSITIONAL and not is_typer_command(each)
    ]


def long_calls(house: House) -> list[str]:
    """Calls of ours with too many arguments by their place."""
    ours = {each.name for module in house.modules for each in (*module.functions, *module.classes)}
    return [
        f"{module}:{node.lineno} {name}, {len(node.args)} arguments"
        for module in house.modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and len(node.args) > MOST_POSITIONAL
        and (name := _called(node)) in ours
        and name != "__init__"
    ]


def changed_parameters(house: House) -> list[str]:
    """Functions that change a collection of their caller's, beside what they return."""
    return [
        f"{module}:{each.lineno} {each.name}({', '.join(sorted(changed))})"
        for module in house.modules
        for each in module.functions
        if (changed := _collections(each) & {*map(_changed, ast.walk(each))})
    ]


#: In the order of the table.
RULES: dict[str, Callable[[House], list[str]]] = {
    "class names that exist twice": class_names_twice,
    "import circles": import_circles,
    f"files with one importer, below {ENOUGH_LINES} lines": files_with_one_importer,
    f"files above {MOST_LINES} lines": long_files,
    "modules xing.py beside x.py": ing_twins,
    f"functions with more than {MOST_POSITIONAL} positional parameters": long_signatures,
    f"calls of ours with more than {MOST_POSITIONAL} positional arguments": long_calls,
    "functions that change a collection of their caller's": changed_parameters,
}


def _is_record(node: ast.ClassDef) -> bool:
    bases = {ast.unparse(each).split(".")[-1] for each in node.bases}
    decorators = {ast.unparse(each).split("(")[0] for each in node.decorator_list}
    return bool(bases & _RECORD_BASES) or any(d.endswith("dataclass") for d in decorators)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _collections(function: Definition) -> set[str]:
    """The parameters that are lists, dictionaries or sets."""
    return {
        each.arg
        for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if each.annotation
        and ast.unparse(each.annotation).partition("[")[0] in ("list", "dict", "set")
    }


def _changed(node: ast.AST) -> str:
    """The name of what a call or an assignment changes."""
    target: ast.AST | None = None
    if isinstance(node, ast.Call) and _called(node) in CHANGES:
        target = getattr(node.func, "value", None)
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        target = node.value
    return target.id if isinstance(target, ast.Name) else ""


def _verbs(name: str) -> set[str]:
    """Of what a name may be the -ing form: launch, cancel (cancelling), place (placing)."""
    if not name.endswith("ing") or len(name) < 5:
        return set()
    stem = name.removesuffix("ing")
    return {stem, f"{stem}e", *([stem[:-1]] if stem[-1] == stem[-2] else [])}


def _entry_points(house: House) -> set[str]:
    """Packages, programs, what is started by name, and the verbs of the command line."""
    scripts = {house.by_name[name] for name in _scripts(house.root) if name in house.by_name}
    texts = set().union(*(module.strings for module in house.modules))
    return {
        module.name
        for module in house.modules
        if module.is_package
        or module.is_program
        or module in scripts
        or module.name in texts
        or any(_is_verb_of(script, module) for script in scripts)
    }


def _scripts(root: Path) -> set[str]:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {target.split(":")[0] for target in project.get("scripts", {}).values()}


def _is_verb_of(script: Module, module: Module) -> bool:
    """Whether it is a command: it lies beside the console script and defines what it is called."""
    return module.path.parent == script.path.parent and any(
        each.name.strip("_") == module.path.stem and is_typer_command(each)
        for each in module.functions
    )
