"""The modules of a package as they are written: their lines, and who imports whom."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

#: What every checkout is asked about.
PACKAGE = "emtnas_hpc"

_NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}
_TYPER = re.compile(r"\btyper\b|(Option|Argument)\b")
Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Lines:
    """How many lines of a file are of which kind; the rest is blank."""

    total: int
    code: int
    comments: int
    docstrings: int
    imports: int


class Module:
    """One file of the package."""

    def __init__(self, root: Path, path: Path) -> None:
        self.path = path.relative_to(root)
        dotted = ".".join(self.path.with_suffix("").parts)
        self.is_package = path.name == "__init__.py"
        self.name = dotted.removesuffix(".__init__")
        self.text = path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def lines(self) -> Lines:
        """A line with code and a comment is code; a line of a docstring is neither."""
        written = self.text.splitlines()
        filled = {row for row, line in enumerate(written, 1) if line.strip()}
        code: set[int] = set()
        comments: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            rows = range(token.start[0], token.end[0] + 1)
            if token.type == tokenize.COMMENT:
                comments.update(rows)
            elif token.type not in _NO_CODE:
                code.update(rows)
        docstrings = {row for node in self._docstrings() for row in _rows(node)}
        imports = {row for node in ast.walk(self.tree) if _imports(node) for row in _rows(node)}
        code = (code - docstrings) & filled
        return Lines(
            total=len(written),
            code=len(code),
            comments=len(comments - code),
            docstrings=len(docstrings & filled),
            imports=len(imports & code),
        )

    def _docstrings(self) -> Iterator[ast.stmt]:
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.Module, ast.ClassDef, Definition)) and (
                ast.get_docstring(node, clean=False) is not None
            ):
                yield node.body[0]

    @cached_property
    def classes(self) -> list[ast.ClassDef]:
        """All classes, wherever they are defined."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    @cached_property
    def functions(self) -> list[Definition]:
        """All functions and methods, wherever they are defined."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Definition)]

    @cached_property
    def strings(self) -> set[str]:
        """The texts in it; a module that is imported or started by name is among them."""
        return {
            node.value
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }

    @cached_property
    def is_program(self) -> bool:
        """Whether it may be started by itself."""
        return self.path.name == "__main__.py" or any(
            isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
            for node in self.tree.body
        )


class House:
    """All modules of the package in a checkout."""

    def __init__(self, root: Path) -> None:
        self.root = root
        files = sorted((root / PACKAGE).rglob("*.py"))
        self.modules = [Module(root, file) for file in files]
        self.by_name = {module.name: module for module in self.modules}

    def imported(self, module: Module, *, at_start: bool = False) -> set[str]:
        """The modules of ours that it imports.

        Args:
            module: one of this house.
            at_start: only what is imported together with it: not what a function imports, nor
                what a type checker alone does.
        """
        nodes = _at_start(module.tree.body) if at_start else ast.walk(module.tree)
        found = {name for node in nodes for name in self._named(module, node)}
        return found - {module.name}

    def _named(self, module: Module, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in self.by_name)
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            for each in node.names:
                full = f"{source}.{each.name}"
                if full in self.by_name:
                    yield full
                elif source in self.by_name:
                    yield source

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """By module, those that import it anywhere, or have its full name in a text."""
        found: dict[str, set[str]] = {name: set() for name in self.by_name}
        for module in self.modules:
            for name in self.imported(module) | (module.strings & set(found)):
                found[name].add(module.name)
        return found

    def circles(self) -> list[list[str]]:
        """Groups of modules of which each is imported, in the end, by each other."""
        follows = {each.name: self.imported(each, at_start=True) for each in self.modules}
        reached = {name: _reach(name, follows) for name in follows}
        groups = {
            tuple(sorted(other for other in reached[name] if name in reached[other]))
            for name in follows
            if name in reached[name]
        }
        return [list(group) for group in sorted(groups)]


def is_typer_command(function: Definition) -> bool:
    """Whether its parameters are those of a command line."""
    arguments = function.args
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return any(each.annotation and _TYPER.search(ast.unparse(each.annotation)) for each in every)


def positional(function: Definition) -> list[str]:
    """The parameters that may be given by their place, without self or cls."""
    names = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names[:1] in (["self"], ["cls"]) else names


def _rows(node: ast.AST) -> range:
    assert isinstance(node, ast.stmt)
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _imports(node: ast.AST) -> bool:
    return isinstance(node, (ast.Import, ast.ImportFrom))


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _at_start(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, Definition):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_start(node.orelse)
            continue
        for field in ("body", "orelse", "finalbody"):
            yield from _at_start(getattr(node, field, []))
        for handler in getattr(node, "handlers", []):
            yield from _at_start(handler.body)


def _reach(start: str, follows: dict[str, set[str]]) -> set[str]:
    """What is imported by it, and by what it imports; itself only if it is in a circle."""
    found: set[str] = set()
    left = [start]
    while left:
        new = follows[left.pop()] - found
        found |= new
        left.extend(new)
    return found
