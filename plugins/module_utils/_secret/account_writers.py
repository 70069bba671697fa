# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who else writes the imagePullSecrets of a service account, as far as the account itself tells.

Pure. To the API server this list is one value (listType=atomic). Whoever applies it server-side, as helm 4 does, owns
all of it, until somebody changes it: then his next apply is a conflict, unless he names the same entries.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy

What others call themselves is text of theirs: it is cut, and only ever shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._contract.ownership import (
    FIELD_MANAGER,
    MANAGED_BY_LABEL,
    Metadata,
    SharedEntry,
    annotations_of,
    entries_of,
)
from .._contract.reading import mapping_in, mappings_in, text_in

HELM = "helm"
# helm puts both on all that it installs.
_HELM_LABEL_VALUE = "Helm"
_RELEASE_ANNOTATION = "meta.helm.sh/release-name"
_LIST = "f:imagePullSecrets"
# They apply the list with the entries of others as they found them, and name it no more when others have changed it. So
# they are in nobody's way, and an entry does not become theirs. OpenShift's gives each service account a login for the
# internal registry.
# https://github.com/openshift/openshift-controller-manager/blob/master/pkg/internalregistry/controllers/service_account_controller.go
_KEEPS_OTHERS = ("openshift.io/image-registry-pull-secrets_service-account-controller",)
# The API server takes no longer name of a field manager.
_MAX_NAME = 128
_CHART_REMEDY = (
    "name the pull secret in that chart's own values (often imagePullSecrets or serviceAccount.imagePullSecrets)"
)
_MANIFEST_REMEDY = "name the pull secret in what it applies"


def writer_of(metadata: Metadata) -> str:
    """Return who else writes the list of a service account, for a person, an empty text if nobody does.

    Where helm installed the account it is helm, also if nothing tells of the list: our own patch takes that trace away.
    """
    manager, release = list_manager(metadata) or recorded_manager(metadata), _release(metadata)
    if release:
        return f"{HELM} release {release}"
    if manager and manager != HELM:
        return f"field manager {_shown(manager)}"
    return HELM if manager or _is_labelled(metadata) else ""


def list_manager(metadata: Metadata) -> str:
    """Return the field manager of somebody else that wrote the whole list as it is, an empty text if there is none.

    That is who applied it, and names each of its entries himself. So does helm by any operation: without server-side
    apply, it replaces the list. An update by others may have changed a part of it.
    """
    owners = _owners(metadata)
    return next((manager for manager, operation in owners if operation == "Apply" or manager == HELM), "")


def recorded_manager(metadata: Metadata) -> str:
    """Return the field manager that one of our entries says the list was taken from, as long as it has a part in it.

    A patch of ours leaves no other trace of it in the account.
    """
    present = {text_in(fields, "manager") for fields in mappings_in(metadata, "managedFields")} - {"", *_KEEPS_OTHERS}
    recorded = (SharedEntry.from_dict(entry).taken_from for entry in entries_of(metadata).values())
    return next((manager for manager in recorded if manager in present), "")


def warning(account: str, writer: str, *, has_resource: bool) -> str:
    """Return what a person should know of a service account that somebody else writes, and what to do about it.

    account is its place, writer what writer_of() returned; without a resource, a playbook named the account.
    """
    is_helm = writer.startswith(HELM)
    what = "the next helm upgrade" if is_helm else "its next apply"
    remedy = _CHART_REMEDY if is_helm else _MANIFEST_REMEDY
    other_way, field = (
        (", or use spec.podInjection", "spec.serviceAccounts") if has_resource else ("", "service_accounts")
    )
    return (
        f"service account {account} is also written by {writer}: where both list imagePullSecrets, {what} fails with a "
        f"conflict, or takes the entry out; {remedy}{other_way}, and then take the service account out of {field}"
    )


def _owners(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """Yield manager and operation of those that own the list as it is, but for ourselves."""
    for fields in mappings_in(metadata, "managedFields"):
        manager = text_in(fields, "manager")
        is_other = manager and manager.partition("/")[0] != FIELD_MANAGER and not fields.get("subresource")
        is_other = is_other and manager not in _KEEPS_OTHERS
        if is_other and _LIST in mapping_in(fields, "fieldsV1"):
            yield manager, text_in(fields, "operation")


def _is_labelled(metadata: Metadata) -> bool:
    return mapping_in(metadata, "labels").get(MANAGED_BY_LABEL) == _HELM_LABEL_VALUE


def _release(metadata: Metadata) -> str:
    return _shown(text_in(annotations_of(metadata), _RELEASE_ANNOTATION))


def _shown(name: str) -> str:
    return "".join(filter(str.isprintable, name))[:_MAX_NAME]
