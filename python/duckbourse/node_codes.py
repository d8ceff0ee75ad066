"""
What each node of the dbt project is made from, as a hash, and what a change of it builds again.

A node's code covers its SQL or its file, its configuration, columns, tests and description, and all
macros that it may call. It is of the parsed node, so that neither spaces in a YAML file nor the
order of its entries change it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# Macros that are called by name as dbt runs, so that no node has them among its own: a change of
# one, or of what is not in the manifest, may change any node.
OF_ALL = ("macros/dbt/", "macros/materializations/")
# in these folders, a file is read by the nodes that name it
OF_NODES = ("models/", "macros/", "functions/", "seeds/", "tests/")
# folders of data; the rest of the name is that of a source
DATA = ("raw/", "sample/")
# the macro through which others read the whole project
READS_ALL = ".project_nodes"
WORD = re.compile(r"\w+")
# what is of one parse or one run
OF_RUN = {
    *("build_path", "compiled", "compiled_code", "compiled_path", "created_at", "defer_relation"),
    *("execution_time", "extra_ctes", "extra_ctes_injected", "doc_blocks", "root_path"),
}


def codes_of(manifest: Manifest, project: Path) -> dict[str, str]:
    """Return the code of each model, seed, function, test, unit test and source."""
    reach = _Reach(manifest)
    fixtures = _hash(sorted(key + _text(each) for key, each in manifest.fixtures.items()))
    nodes: dict[str, Any] = {
        **manifest.nodes,
        **manifest.functions,
        **manifest.unit_tests,
        **manifest.sources,
    }
    codes: dict[str, str] = {}
    read_all: list[str] = []
    for key, node in nodes.items():
        parts = [_text(node)]
        if key.startswith("seed."):
            parts.append(
                hashlib.sha256((project / node.original_file_path).read_bytes()).hexdigest()
            )
        if key.startswith("unit_test."):
            parts.append(fixtures)
        called = reach.of(node)
        parts += map(reach.code, sorted(called))
        codes[key] = _hash(parts)
        if any(name.endswith(READS_ALL) for name in called):
            read_all.append(key)
    whole = _hash(f"{key} {code}" for key, code in sorted(codes.items()))
    return codes | {key: _hash((codes[key], whole)) for key in read_all}


def changes_all(name: str) -> bool:
    """Return whether a change of this input of a build may change any node."""
    return name.startswith(OF_ALL) or not name.startswith((*OF_NODES, *DATA))


def changed_nodes(
    manifest: Manifest,
    codes: Mapping[str, str],
    before: Mapping[str, str],
    changed: Iterable[str],
    again: Iterable[str],
) -> set[str] | None:
    """
    Return the nodes that differ from those that were built; None if that may be any.

    `codes` are those of now and `before` those of what was built. Of the `changed` inputs, folders
    of data (`raw/daily`) count here. `again` are nodes that were not built as they should be.
    """
    folders = {name.partition("/")[2] for name in changed if name.startswith(DATA)}
    sources = {each.name: key for key, each in manifest.sources.items()}
    found = {key for key, code in codes.items() if before.get(key) != code}
    if any(map(changes_all, changed)) or not folders <= sources.keys():
        return None
    # what is no longer there need not be built
    return found | {sources[folder] for folder in folders} | (codes.keys() & {*again})


def selector_of(manifest: Manifest, key: str) -> str:
    """Return the selector of dbt for a node and what follows from it, tests included."""
    kind = key.partition(".")[0]
    if kind == "source":
        source = manifest.sources[key]
        return f"source:{source.source_name}.{source.name}+"
    if kind == "unit_test":
        return f"unit_test:{manifest.unit_tests[key].name}"
    name: str = manifest.expect(key).name
    return name if kind == "test" else f"{name}+"


class _Reach:
    """
    The macros that a text may call, itself and through others.

    dbt knows only what is called in the text. A macro of the project may also be handed on by its
    name, so that every word that is the name of one counts.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._macros = manifest.macros
        self._project = manifest.metadata.project_name
        self._of_name: dict[str, list[str]] = {}
        for key, macro in manifest.macros.items():
            if macro.package_name == self._project:
                self._of_name.setdefault(macro.name, []).append(key)
        self._called: dict[str, set[str]] = {}
        self._codes: dict[str, str] = {}

    def of(self, node: Any) -> set[str]:
        waiting = self._in(node, getattr(node, "raw_code", ""))
        found: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in found or name not in self._macros:
                continue
            found.add(name)
            if name not in self._called:
                self._called[name] = self._in(self._macros[name], self._macros[name].macro_sql)
            waiting |= self._called[name]
        return found

    def code(self, name: str) -> str:
        if name not in self._codes:
            self._codes[name] = _hash([name, self._macros[name].macro_sql])
        return self._codes[name]

    def _in(self, node: Any, text: str) -> set[str]:
        is_ours = node.package_name == self._project
        words = set(WORD.findall(text)) & self._of_name.keys() if is_ours else set()
        named = {key for word in words for key in self._of_name[word]}
        return named.union(getattr(getattr(node, "depends_on", None), "macros", ()))


def _text(node: Any) -> str:
    parts = {name: part for name, part in node.to_dict().items() if name not in OF_RUN}
    return json.dumps(parts, sort_keys=True, default=str)


def _hash(parts: Iterable[str]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(f"{part}\n".encode())
    return found.hexdigest()[:16]
