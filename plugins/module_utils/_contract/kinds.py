# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The custom resources: group, kinds and versions, and the names that users write into their metadata.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "aws.zakariaamine.com"
NAMESPACED_KIND = "AWSECRImagePullSecret"
CLUSTER_KIND = "ClusterAWSECRImagePullSecret"
# The deprecated name of the cluster kind in kube-ecr-secrets-operator; served as it is for users who come from there.
LEGACY_KIND = "AWSECRCredential"


@dataclass(frozen=True)
class Kind:
    """Where the API server serves the resources of a kind."""

    version: str
    plural: str


KINDS = {
    NAMESPACED_KIND: Kind("v1alpha2", "awsecrimagepullsecrets"),
    CLUSTER_KIND: Kind("v1alpha2", "clusterawsecrimagepullsecrets"),
    LEGACY_KIND: Kind("v1alpha1", "awsecrcredentials"),
}

# Keeps a deleted resource until a run has removed what the garbage collector does not remove.
FINALIZER = f"{GROUP}/cleanup"
# Annotation of a custom resource: a new value asks for a new token now. On a Secret: the value that its token was
# issued for. It is copied to every Secret, so only its first characters count.
RECONCILE_AT = f"{GROUP}/reconcile-at"
MAX_RECONCILE_REQUEST = 256
# Annotation of a Namespace: which AWS identities of the runner its namespaced resources may use.
ALLOWED_ANNOTATION = f"{GROUP}/allowed-aws-identities"

POLICIES = ("Fail", "Adopt", "Merge")
DELETION_POLICIES = ("Delete", "Orphan")
POD_INJECTIONS = ("Never", "Ecr", "Always")


def api_version(kind: str) -> str:
    """Return group and version of a kind, such as aws.zakariaamine.com/v1alpha2."""
    return f"{GROUP}/{KINDS[kind].version}"


def resource_name(kind: str) -> str:
    """Return plural and group of a kind, as RBAC rules and the name of its definition have it."""
    return f"{KINDS[kind].plural}.{GROUP}"
