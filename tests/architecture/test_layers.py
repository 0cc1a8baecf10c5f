"""The house plan, read from the imports: arrows point down; HTTP and rights have one home each."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings as project

ROOT = Path(project.BASE_DIR)
FLOORS = (  # from the top; a module may import its own floor and those below it
    (
        *("urls", "views", "forms", "admin", "templatetags", "context", "middleware"),
        *("management", "checks", "apps", "accounts"),
    ),
    ("access",),
    (
        *("intake", "consent", "forwarding", "facelists", "connection", "pacing"),
        *("history", "progress", "estimate", "faces", "audit"),
    ),
    ("models",),
    ("images", "storage", "uploads", "persona"),
)
WITHOUT_DJANGO = ("importers.images", "importers.persona")
STAND_IN = "importers.local_persona"
HTTP = {"requests", "urllib3", "http", "urllib.request", "httpx", "aiohttp"}
SPEAK_HTTP = ("importers.persona.client", STAND_IN)
RIGHTS = {
    *("has_perm", "has_perms", "is_staff", "is_superuser", "is_authenticated"),
    *("permission_required", "user_passes_test", "login_required", "staff_member_required"),
    *("get_object_or_404", "get_list_or_404", "objects"),
}
MOST_LINES, MOST_FUNCTION_LINES = 300, 30


class Arrow(NamedTuple):
    importer: str
    imported: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported} ({self.name})"


def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name; migrations are history."""
    files = [*ROOT.glob("importers/**/*.py"), *ROOT.glob("config/*.py"), ROOT / "manage.py"]
    return {dotted(path): path for path in files if "migrations" not in path.parts}


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def arrows() -> list[Arrow]:
    known = modules()
    return [arrow for name, path in known.items() for arrow in arrows_from(name, path, known)]


def arrows_from(name: str, path: Path, known: dict[str, Path]) -> Iterator[Arrow]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (Arrow(name, alias.name, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolved(node, name, path)
            for alias in node.names:
                inside = f"{source}.{alias.name}"
                yield Arrow(name, inside if inside in known else source, alias.name, node.lineno)


def resolved(node: ast.ImportFrom, name: str, path: Path) -> str:
    """The absolute name of what is imported from, also where it is written with dots."""
    if not node.level:
        return node.module or ""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    base = package[: len(package) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def floor(module: str) -> int:
    """How deep a module of importers lies; 0 is the top."""
    room = module.split(".")[1]
    return next(depth for depth, rooms in enumerate(FLOORS) if room in rooms)


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def is_ours(module: str) -> bool:
    return module.startswith("importers.")


def told(found: list[Arrow]) -> str:
    return "\n".join(map(str, found))


def test_every_module_has_its_floor() -> None:
    rooms = {name.split(".")[1] for name in modules() if is_ours(name)}
    assert rooms == {room for rooms in FLOORS for room in rooms}


def test_arrows_point_down_only() -> None:
    up = [
        arrow
        for arrow in arrows()
        if is_ours(arrow.importer)
        and is_ours(arrow.imported)
        and floor(arrow.imported) < floor(arrow.importer)
    ]
    assert up == [], told(up)


def test_no_two_modules_import_each_other_even_in_a_round() -> None:
    below: dict[str, set[str]] = {name: set() for name in modules()}
    for arrow in arrows():
        if arrow.imported in below and arrow.imported != arrow.importer:
            below[arrow.importer].add(arrow.imported)
    while leaves := {name for name, imported in below.items() if not imported}:
        below = {name: imported - leaves for name, imported in below.items() if name not in leaves}
    assert below == {}


def test_images_and_persona_know_no_django_and_none_of_our_rooms() -> None:
    wrong = [
        arrow
        for arrow in arrows()
        if any(is_in(arrow.importer, package) for package in WITHOUT_DJANGO)
        and not is_in(arrow.importer, STAND_IN)
        and (
            is_in(arrow.imported, "django")
            or (is_ours(arrow.imported) and not is_in(arrow.imported, "importers.persona"))
        )
    ]
    assert wrong == [], told(wrong)


def test_local_persona_imports_none_of_our_rooms() -> None:
    wrong = [
        arrow
        for arrow in arrows()
        if is_in(arrow.importer, STAND_IN)
        and is_ours(arrow.imported)
        and not is_in(arrow.imported, STAND_IN)
    ]
    assert wrong == [], told(wrong)


def test_the_stand_in_is_no_part_of_the_product() -> None:
    users = {
        arrow.importer
        for arrow in arrows()
        if is_in(arrow.imported, STAND_IN) and not is_in(arrow.importer, STAND_IN)
    }
    assert users == {"importers.management.commands.local_persona"}


def test_http_is_spoken_in_one_room() -> None:
    wrong = [
        arrow
        for arrow in arrows()
        if any(is_in(arrow.imported, library) for library in HTTP)
        and not any(is_in(arrow.importer, speaker) for speaker in SPEAK_HTTP)
    ]
    assert wrong == [], told(wrong)


def test_only_the_connection_and_what_reads_the_answers_know_the_client() -> None:
    """What talks to Persona goes through `connection`, so that every exchange is recorded."""
    makers = [
        name
        for name, path in modules().items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("client.Client", "Client")
    ]
    assert makers == ["importers.connection"]


def test_views_ask_access_and_nothing_else_for_rights_and_rows() -> None:
    wrong = [
        f"{name}: {used}"
        for name, path in modules().items()
        if is_in(name, "importers.views")
        for node in ast.walk(tree(path))
        if (used := named(node)) in RIGHTS
    ]
    assert wrong == []


def named(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_every_view_of_something_looks_it_up_through_access() -> None:
    missing = [
        f"{name}.{function.name}"
        for name, path in modules().items()
        if is_in(name, "importers.views")
        for function in tree(path).body
        if isinstance(function, ast.FunctionDef)
        and {"import_id", "key"} & {argument.arg for argument in function.args.args}
        and "access.visible_" not in ast.unparse(function)
    ]
    assert missing == []


def test_the_domain_is_asked_for_no_right_and_knows_no_request() -> None:
    wrong = [
        arrow
        for arrow in arrows()
        if is_ours(arrow.importer)
        and floor(arrow.importer) > 1
        and not is_in(arrow.importer, STAND_IN)
        and (is_in(arrow.imported, "django.http") or is_in(arrow.imported, "django.shortcuts"))
    ]
    assert wrong == [], told(wrong)


def test_the_settings_import_no_room_and_no_room_reads_the_environment() -> None:
    wrong = [
        arrow
        for arrow in arrows()
        if is_ours(arrow.importer) != is_ours(arrow.imported)
        and (is_in(arrow.imported, "config") or is_ours(arrow.imported))
    ]
    assert wrong == [], told(wrong)


def test_no_private_name_of_another_module_is_imported() -> None:
    wrong = [
        arrow
        for arrow in arrows()
        if is_ours(arrow.imported) and arrow.name.startswith("_") or arrow.name == "*"
    ]
    assert wrong == [], told(wrong)


def test_imports_stand_at_the_top_of_a_module() -> None:
    """Save where Django wants it: what registers itself does so once the apps are ready."""
    inside = {
        name
        for name, path in modules().items()
        for function in ast.walk(tree(path))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert inside <= {"importers.apps", "manage"}


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {
        name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, path in modules().items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_FUNCTION_LINES} == {}


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("from importers.models import Batch", "importers.audit", ["importers.models"]),
        ("from importers import access, audit", "importers.views.lists",
         ["importers.access", "importers.audit"]),
        ("from .faults import FAULTS", "importers.local_persona.server",
         ["importers.local_persona.faults"]),
        ("from . import bodies", "importers.local_persona.routes",
         ["importers.local_persona.bodies"]),
        ("import django.http", "importers.images", ["django.http"]),
        ("def f():\n    from importers import intake", "importers.models.lists",
         ["importers.intake"]),
    ],
)  # fmt: skip
def test_this_file_reads_every_way_of_importing(
    source: str, package: str, expected: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "module.py"
    path.write_text(source)
    found = [arrow.imported for arrow in arrows_from(package, path, modules())]
    assert found == expected
