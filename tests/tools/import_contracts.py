"""A rule for import-linter that its own kinds of contract do not have: see [tool.importlinter] in pyproject.toml."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryOnly(Contract):
    """Nothing in these packages imports a third-party package, neither itself nor by way of what it imports.

    A forbidden contract would need the names of all third-party packages, those included that nobody uses yet.
    """

    type_name = "standard_library_only"

    modules = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Return the chains of imports that lead to third-party packages."""
        chains = [chain for package in self.modules for chain in _chains_to_third_parties(graph, package)]
        return ContractCheck(kept=not chains, metadata={"chains": chains})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the chains."""
        for chain in check.metadata["chains"]:
            output.print_error(" -> ".join(chain))


def _chains_to_third_parties(graph: ImportGraph, package: str) -> Iterator[tuple[str, ...]]:
    for name in sorted(graph.find_upstream_modules(package, as_package=True)):
        is_third_party = graph.is_module_squashed(name) and name.split(".")[0] not in sys.stdlib_module_names
        if is_third_party:
            yield from sorted(graph.find_shortest_chains(package, name, as_packages=True))
