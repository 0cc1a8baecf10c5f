"""The floors: import-linter's contracts (pyproject.toml), and what they cannot express."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from importlinter.cli import lint_imports

ROOT = Path(settings.BASE_DIR)
RIGHTS = {
    *("has_perm", "has_perms", "is_staff", "is_superuser", "is_authenticated"),
    *("permission_required", "user_passes_test", "login_required", "staff_member_required"),
    *("get_object_or_404", "get_list_or_404", "objects"),
}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_TEST_FILE_LINES = 300, 30, 400


def modules(*patterns: str) -> dict[str, ast.Module]:
    """Return each module's tree by its path. Generated migrations are not our prose."""
    files = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for path in files
        if "migrations" not in path.parts
    }


PRODUCT = modules("importers/**/*.py", "config/*.py", "manage.py")
VIEWS = {path: tree for path, tree in PRODUCT.items() if path.startswith("importers/views/")}


def functions(trees: dict[str, ast.Module]) -> Iterator[tuple[str, ast.FunctionDef]]:
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield f"{path}:{node.name}", node


def length(path: str) -> int:
    return len(Path(ROOT, path).read_text(encoding="utf-8").splitlines())


def test_packages_import_only_lower_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert lint_imports(no_cache=True) == 0


def test_product_files_are_short() -> None:
    lengths = {path: length(path) for path in PRODUCT}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_test_files_are_short() -> None:
    lengths = {path: length(path) for path in modules("tests/**/*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > MAX_TEST_FILE_LINES} == {}


def test_product_functions_are_short() -> None:
    lengths = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in functions(PRODUCT)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_no_module_imports_a_private_name_of_another() -> None:
    private = [
        f"{path}: {alias.name}"
        for path, tree in PRODUCT.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("importers")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert private == []


def test_only_the_gateway_makes_a_client_of_persona() -> None:
    """So that every exchange is recorded."""
    makers = [
        path
        for path, tree in PRODUCT.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("client.Client", "Client")
    ]
    assert makers == ["importers/gateway/client.py"]


def test_views_leave_rights_and_rows_to_access() -> None:
    wrong = [
        f"{path}: {name}"
        for path, tree in VIEWS.items()
        for node in ast.walk(tree)
        if (name := getattr(node, "attr", getattr(node, "id", ""))) in RIGHTS
    ]
    assert wrong == []


def test_views_of_one_object_look_it_up_through_access() -> None:
    missing = [
        name
        for name, function in functions(VIEWS)
        if {"import_id", "key"} & {argument.arg for argument in function.args.args}
        and "lookups.visible_" not in ast.unparse(function)
    ]
    assert missing == []
