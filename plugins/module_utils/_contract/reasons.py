# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The reasons: words in CamelCase by which results, conditions and events say why.

They are part of the API: users write alerts and scripts for them, and docs/operations.md explains each (a test compares
the two). Beside these, a reason may be one of the API server's own (Status.reason) or an error code of AWS.

They are plain texts and no enum: results pass through Ansible's serializer, which takes texts only.
"""

from __future__ import annotations

# In a target namespace

# The namespace does not exist yet: it is waited for, which is no failure.
NAMESPACE_NOT_FOUND = "NamespaceNotFound"
# The namespace is being deleted and takes no new objects: it is waited for, which is no failure.
NAMESPACE_TERMINATING = "NamespaceTerminating"
# A Secret of the wanted name belongs to somebody else.
SECRET_CONFLICT = "SecretConflict"
# The Secret has another type than kubernetes.io/dockerconfigjson, and a type cannot be changed.
WRONG_SECRET_TYPE = "WrongSecretType"
# The Secret is marked as immutable.
IMMUTABLE_SECRET = "ImmutableSecret"
# Under the policy Merge: the Secret holds no docker config that a login could be added to.
INVALID_SECRET_CONTENT = "InvalidSecretContent"
# The Secret that the token was to be copied from is gone.
TOKEN_NOT_HELD = "TokenNotHeld"

# Of a namespace whose Secret was written under the policy Merge: no failure. Also of an event.

# The Secret has a login of somebody else for a part of our registry, which some consumers prefer to ours.
LOGIN_SHADOWED = "LoginShadowed"

# Of a service account that has the pull secret: no failure. Also of an event.

# Somebody else writes its imagePullSecrets, too: what he applies next may be refused for the entry of ours.
SERVICE_ACCOUNT_CONTESTED = "ServiceAccountContested"

# Of the custom resource and the AWS identity that it uses

# A field of the resource cannot be used as it is, or another resource has taken its place.
INVALID_RESOURCE = "InvalidResource"
# A registry is none, or is in another partition of AWS.
INVALID_REGISTRY = "InvalidRegistry"
# An option of a module cannot be used as it is.
INVALID_OPTION = "InvalidOption"
# The Secret that credentialsSecretRef names does not exist.
CREDENTIALS_SECRET_NOT_FOUND = "CredentialsSecretNotFound"
# That Secret lacks a key, or a value in it cannot be one of an access key.
INVALID_CREDENTIALS_SECRET = "InvalidCredentialsSecret"
EXTRA_AUTH_NOT_FOUND = "ExtraAuthNotFound"
INVALID_EXTRA_AUTH = "InvalidExtraAuth"
# The service account that serviceAccountRef names does not exist.
SERVICE_ACCOUNT_NOT_FOUND = "ServiceAccountNotFound"
# That service account names no IAM role, or there is an externalId that AWS does not take there.
INVALID_SERVICE_ACCOUNT = "InvalidServiceAccount"
# A namespaced resource may not use the AWS identity of the runner.
IDENTITY_NOT_ALLOWED = "IdentityNotAllowed"

# AWS could not be asked

# The credentials could not be looked up when AWS was to be asked. Also in playbooks/reconcile.yml.
CREDENTIALS_UNAVAILABLE = "CredentialsUnavailable"
# The identity of the runner or controller: there is none.
NO_CREDENTIALS = "NoCredentials"
# There is only half of one.
PARTIAL_CREDENTIALS = "PartialCredentials"
# The program or file that gives credentials failed.
CREDENTIAL_RETRIEVAL_ERROR = "CredentialRetrievalError"
# The metadata service of the instance, or what gives a container its credentials, failed.
METADATA_RETRIEVAL_ERROR = "MetadataRetrievalError"
# AWS_PROFILE names a profile that is not there.
PROFILE_NOT_FOUND = "ProfileNotFound"
# No region is given.
NO_REGION = "NoRegion"
# The URL of the endpoint cannot be used.
INVALID_ENDPOINT = "InvalidEndpoint"
# The certificate of the endpoint is not trusted.
CERTIFICATE_NOT_TRUSTED = "CertificateNotTrusted"
# A server did not answer in time.
TIMED_OUT = "TimedOut"
# A server could not be reached.
UNREACHABLE = "Unreachable"
# A server answered something that cannot be understood.
MALFORMED_ANSWER = "MalformedAnswer"
# The operating system refused something: a file, memory, a thread.
SYSTEM_ERROR = "SystemError"
# No cluster: the kubeconfig or service account cannot be used.
NO_CLUSTER = "NoCluster"
# The object that was to be read or written is gone, or its definition is not installed.
NOT_FOUND = "NotFound"

# AWS refused. These are AWS' own codes that get a remedy; other codes pass as they are.

ACCESS_DENIED = "AccessDeniedException"
# AWS' clock and ours differ by more than a few minutes.
CLOCK_SKEW = "ClockSkew"
EXPIRED_TOKEN = "ExpiredTokenException"
IDP_COMMUNICATION_ERROR = "IDPCommunicationError"
INVALID_IDENTITY_TOKEN = "InvalidIdentityToken"
INVALID_SIGNATURE = "InvalidSignatureException"
OPT_IN_REQUIRED = "OptInRequired"
REGION_DISABLED = "RegionDisabledException"
# A fault within AWS (a status of 500 or more without a code that is known).
SERVER_ERROR = "ServerError"
THROTTLING = "ThrottlingException"
UNRECOGNIZED_CLIENT = "UnrecognizedClientException"
# AWS answered with an error without a code.
UNKNOWN_ERROR = "UnknownError"

# Of a run of the playbook

# The run ended without a result of the resource.
RUN_FAILED = "RunFailed"
# A task failed: ours without a result, or one of a playbook or role of the user.
TASK_FAILED = "TaskFailed"
# A result names no cause.
UNKNOWN = "Unknown"

# Of the condition Ready, where it is no failure

# All target namespaces hold a valid token.
SECRETS_UPDATED = "SecretsUpdated"
# None of the named namespaces exists yet.
SECRETS_PROCESSING = "SecretsProcessing"
# Globs and selector match no namespace.
NO_NAMESPACE_MATCHES = "NoNamespaceMatches"
# The resource is being deleted, and its cleanup is not finished.
DELETING = "Deleting"
# spec.suspend is true; also a reason of RefreshFailing and of an event.
SUSPENDED = "Suspended"

# Of the condition RefreshFailing, where it is False

REFRESH_SUCCEEDED = "RefreshSucceeded"

# Of what is to be known of a resource, while its Secrets are written all the same

# spec.podInjection is set, and no MutatingAdmissionPolicy for the kind is installed; also a reason of an event.
POD_INJECTION_MISSING = "PodInjectionMissing"
# Tokens of the resource live so short that passes on a usual schedule let them expire; also a reason of an event.
SHORT_TOKEN_LIFE = "ShortTokenLife"
# An annotation of operator-sdk cannot be read, or sets nothing here; only a reason of an event.
ANNOTATION_IGNORED = "AnnotationIgnored"

# Of the condition PodsWaiting

# Pods wait for an image that kubelet could not pull. It is kubelet's own reason, too.
IMAGE_PULL_BACK_OFF = "ImagePullBackOff"
# Some of them do not name the pull secret, so they never pull with it.
PULL_SECRET_NOT_NAMED = "PullSecretNotNamed"
# None waits any more.
NO_POD_WAITS = "NoPodWaits"

# Of events. Those of kube-ecr-secrets-operator have its names.

SECRET_CREATION_SUCCESS = "SecretCreationSuccess"
SECRET_UPDATE_SUCCESS = "SecretUpdateSuccess"
SECRET_DELETION_SUCCESS = "SecretDeletionSuccess"
CREATE_SECRET_ERROR = "CreateSecretError"
UPDATE_SECRET_ERROR = "UpdateSecretError"
DELETE_SECRET_ERROR = "DeleteSecretError"
UPDATE_SERVICE_ACCOUNT_ERROR = "UpdateServiceAccountError"
GET_AWS_AUTH_TOKEN_FAILED = "GetAWSAuthTokenFailed"
# spec.suspend is false again.
RESUMED = "Resumed"
# A pod that could not pull was evicted, since the Secret that it names was written; on the controller of the pod.
POD_RECOVERED = "PodRecovered"

# A Secret is in the way, and only a person can move it.
BLOCKING = frozenset({SECRET_CONFLICT, WRONG_SECRET_TYPE, IMMUTABLE_SECRET, INVALID_SECRET_CONTENT})
# What is asked for cannot be had until a person makes it so.
FOR_A_PERSON = BLOCKING | {EXTRA_AUTH_NOT_FOUND, INVALID_EXTRA_AUTH}
# A namespace is waited for.
PENDING = frozenset({NAMESPACE_NOT_FOUND, NAMESPACE_TERMINATING})
ALL = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
