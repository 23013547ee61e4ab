"""Imports point one way, from the pages down to the settings, and Stripe stays behind its door."""

from __future__ import annotations

import ast
import collections.abc as c
import functools
import typing as t
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "flask_billing"

#: From the bottom up. A part is a module or package directly in flask_billing, or a dotted one
#: where a part of a package belongs elsewhere. Parts import from their own layer and below.
LAYERS: t.Final = (
    {
        "errors", "signals", "config", "config_rules", "clock", "money", "coupons",
        "catalog", "catalog_file", "catalog_form", "catalog_rules", "catalog_schema",
        "catalog_metered", "catalog_metered_rules", "catalog_offers", "catalog_values",
        "usage_charge",
    },
    {
        "models", "outbox", "state", "database", "prepared", "writes", "owners", "missing_tables",
        "afterwards",
    },
    {
        "stripe_gateway", "stripe_objects", "metered_prices", "row_marks", "decline_reasons",
        "translation", "negotiation", "formatting", "rate_words",
    },
    {"sync", "access", "metering", "customers"},
    {
        "billing_details", "customer_changes", "portal", "tax_id_types",
        "checkout", "checkout_session", "subscriptions", "retention", "payment_methods", "invoices",
        "notifications", "catalog_push", "stripe_customers", "stripe_metered", "stripe_prices",
        "lost_at_stripe", "closing", "reconciliation",
    },
    {"webhooks", "jobs", "doctor"},
    {"views", "cli"},
    {"extension"},
    {"testing"},
)  # fmt: skip


class Import(t.NamedTuple):
    """One import statement: who imports what, and whether when the module is loaded."""

    module: str
    target: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def test_every_module_has_a_layer() -> None:
    parts = {part(module) for module in modules()} - {"flask_billing", "sandbox", "migrations"}

    assert parts <= set().union(*LAYERS), "give new modules a layer in tests/test_layers.py"


def test_imports_point_down() -> None:
    upward = [
        str(found)
        for found in ours()
        if layer(found.module) is not None
        and (layer(found.target) or 0) > t.cast(int, layer(found.module))
    ]

    assert upward == []


def test_modules_do_not_import_in_circles() -> None:
    edges: dict[str, set[str]] = {}

    for found in ours():
        if found.module != found.target and found.at_load:
            edges.setdefault(found.module, set()).add(found.target)

    assert circles(edges) == []


def test_stripe_is_imported_behind_its_door_only() -> None:
    doors = ("stripe_gateway", "sandbox", "testing")
    inside = [found for found in imports() if root(found.target) == "stripe"]

    assert inside, "the gateway imports stripe"
    assert [str(found) for found in inside if part(found.module) not in doors] == []


@pytest.mark.parametrize("library", ["stripe", "requests", "apscheduler", "alembic", "babel"])
def test_heavy_libraries_are_imported_late(library: str) -> None:
    early = [
        str(found)
        for found in imports()
        if root(found.target) == library and found.at_load and part(found.module) != "sandbox"
    ]

    assert early == []


def test_the_sandbox_imports_nothing_of_the_rest() -> None:
    assert [
        str(found)
        for found in ours()
        if part(found.module) == "sandbox" and part(found.target) != "sandbox"
    ] == []


def test_only_the_extension_starts_the_sandbox() -> None:
    users = {
        part(found.module)
        for found in ours()
        if part(found.target) == "sandbox" and part(found.module) != "sandbox"
    }

    assert users <= {"extension", "cli", "testing"}


@functools.cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the package."""
    found = {}

    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file

    return found


@functools.cache
def imports() -> tuple[Import, ...]:
    """Every import of the package that runs, so not those for type checkers alone."""
    return tuple(found for module in modules() for found in imports_of(module))


def ours() -> c.Iterator[Import]:
    """The imports from one of our modules by another."""
    return (found for found in imports() if root(found.target) == "flask_billing")


def imports_of(module: str) -> c.Iterator[Import]:
    file = modules()[module]
    tree = ast.parse(file.read_text(encoding="utf-8"))
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]

    for node, at_load in running(tree, at_load=True):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, at_load)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node, package)

            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield Import(module, name if name in modules() else base, node.lineno, at_load)


def running(node: ast.AST, *, at_load: bool) -> c.Iterator[tuple[ast.AST, bool]]:
    """The nodes below, each with whether it runs when the module is loaded."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue

        inside = at_load and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield child, at_load
        yield from running(child, at_load=inside)


def absolute(node: ast.ImportFrom, package: str) -> str:
    if node.level == 0:
        return node.module or ""

    above = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def root(module: str) -> str:
    return module.partition(".")[0]


def part(module: str) -> str:
    """``flask_billing.views.usage`` -> ``views``; the package itself stays what it is."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else pieces[0]


def layer(module: str) -> int | None:
    """The height of a module's layer; None for what stands outside."""
    return next((height for height, parts in enumerate(LAYERS) if part(module) in parts), None)


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Paths that lead from a module back to itself, one for each module met again."""
    found: list[str] = []
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        if module in path:
            found.append(" -> ".join([*path[path.index(module) :], module]))
            return

        if module in done:
            return

        for target in sorted(edges.get(module, ())):
            walk(target, (*path, module))

        done.add(module)

    for module in sorted(edges):
        walk(module, ())

    return found
