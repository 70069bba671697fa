"""Settings of Sphinx for `make docs-site`, in the manner of those that `antsibull-docs sphinx-init` writes.

They differ in one point: nothing is downloaded. Where a page refers to Ansible's own documentation, the link follows
from the name. Every other reference that leads nowhere is a warning, and a warning ends the build.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes

project = "kube_ecr.secrets"
author = "kube-ecr-secrets contributors"
html_title = html_short_title = "kube_ecr.secrets"

extensions = ["sphinx_antsibull_ext"]
html_theme = "sphinx_ansible_theme"
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_use_index = False

_ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
_LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
# Collections whose pages are there. A name below ours has to be one of a page that is built.
_PLUGIN = re.compile(r"ansible_collections\.(ansible\.builtin|kubernetes\.core|amazon\.aws)\.(\w+)")


def _page_of(reference: Any) -> str | None:
    """Return where Ansible documents what a reference names, None if it is none of Ansible's."""
    kind, target = reference.get("reftype"), reference["reftarget"]
    if kind == "envvar" and target.startswith("ANSIBLE_"):
        return f"reference_appendices/config.html#envvar-{target}"
    if kind != "ref":
        return None
    plugin = _PLUGIN.fullmatch(target)
    return f"collections/{plugin[1].replace('.', '/')}/{plugin[2]}.html" if plugin else _LABELS.get(target)


def _link(app: Any, env: Any, reference: Any, text: nodes.Node) -> nodes.reference | None:
    page = _page_of(reference)
    return nodes.reference("", "", text, internal=False, refuri=f"{_ANSIBLE}{page}") if page else None


def setup(app: Any) -> None:
    """Be an extension of Sphinx, too."""
    app.connect("missing-reference", _link)
