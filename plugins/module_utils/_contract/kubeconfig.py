# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a kubeconfig that the official client cannot use, for a person; how it logs in with one.

What always holds: no text quotes a kubeconfig, which may hold a token or key, but for the names of files.
"""

from __future__ import annotations

import binascii
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from .api_server import first_line
from .login_program import LoginProgramError, exec_credential, in_time
from .reading import mapping_in, text_in, texts_in
from .timestamps import parse_rfc3339
from .tls import describe_tls_failure, words_of

# Versions of the official client that do not send the token that a kubeconfig, or an option, gives them:
# https://github.com/kubernetes-client/python/issues/2582. 37.0.2 cannot be installed together with botocore.
SUPPORTED = "kubernetes>=31,!=36.0.0,!=36.0.1,!=37.0.2"
# https://kubernetes.io/blog/2022/05/03/kubernetes-1-24-release-announcement/ and later: kubectl has dropped them.
_SUCCESSORS = {
    "gcp": "let 'gcloud container clusters get-credentials' write it anew, with gke-gcloud-auth-plugin",
    "azure": "let 'kubelogin convert-kubeconfig' write it anew",
    "oidc": "check idp-issuer-url, id-token and refresh-token, or use the exec plugin kubelogin (oidc-login)",
}
# By which a user of a kubeconfig acts as somebody else.
_ACTS_AS = ("as", "as-uid", "as-groups", "as-user-extra")
# What a name of a header is made of, beside letters and digits: https://www.rfc-editor.org/rfc/rfc9110#name-tokens
_TOKEN_MARKS = "!#$&'*+-.^_`|~"


class ImpersonationError(Exception):
    """A kubeconfig does not say in the right form as whom its user acts; the text names the field, and the form."""


def withholds_token(version: str) -> str:
    """Return what is said of a version of the official client that does not send the token which it has."""
    return (
        f"version {version} of the Python package kubernetes does not send the token, so that every call would be "
        f"anonymous; install another one: pip install '{SUPPORTED}'"
    )


def describe_fault(error: BaseException) -> str:
    """Return what keeps a kubeconfig from being used; error is what the official client raised while it read it.

    Errors of libraries are told apart by the names of their classes: they are not imported here.
    """
    names = {each.__name__ for each in type(error).__mro__}
    if isinstance(error, (LoginProgramError, ImpersonationError)) or "ConfigException" in names:
        return first_line(str(error)).rstrip(".") or "it has not the form of a kubeconfig"
    if "YAMLError" in names:  # its text quotes the file
        return "it is not valid YAML"
    if "HTTPError" in names:  # of urllib3, which reads URLs
        return "server or proxy-url is no URL that can be used"
    if isinstance(error, ssl.SSLError):
        return f"a certificate or key cannot be read ({words_of(error)})"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or type(error).__name__
    if isinstance(error, UnicodeError):
        return "it, or a file that it names, is not UTF-8 text"
    if isinstance(error, binascii.Error):
        return "a certificate, key or token in it (a field that ends in -data) is not base64"
    if isinstance(error, ImportError):
        return f"the Python package {error.name or 'of its login'} is not installed"
    if isinstance(error, (LookupError, TypeError, AttributeError, ValueError, RecursionError)):
        return "it has not the form of a kubeconfig"
    return f"it cannot be used ({type(error).__name__})"


def provider_fault(user: Mapping[str, Any], error: BaseException | None = None) -> str:
    """Return what is said of the auth-provider of a user that gives no token.

    error is what the official client raised, or the libraries by which it asks the identity provider.
    """
    provider = user.get("auth-provider")
    name = provider.get("name") if isinstance(provider, Mapping) else None
    cause = describe_tls_failure(error, "idp-certificate-authority") if error else ""
    remedy = cause or _SUCCESSORS.get(str(name), "use an exec plugin instead")
    told = f" {name}" if name in _SUCCESSORS else ""
    return f"the auth-provider{told} (user.auth-provider of the kubeconfig) gives no token: {remedy}"


def missing_credential(user: Mapping[str, Any]) -> str:
    """Return why a user of a kubeconfig who was given no credential should have one; empty if he need not.

    Whoever names a way to log in, and gets none, would be told what system:anonymous may not do.
    """
    others = {"token", "tokenFile", "exec", "username", "client-certificate", "client-certificate-data"}
    return "" if not user.get("auth-provider") or others & set(user) else provider_fault(user)


def impersonation(user: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the headers by which a user of a kubeconfig acts as somebody else, none if he acts as himself.

    kubectl sends the same: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/. The official
    client does not look at these fields, and would act as the user himself. Raises ImpersonationError.
    """
    given = {name: user[name] for name in _ACTS_AS if user.get(name) not in (None, "", [], {})}
    name, uid, groups = text_in(given, "as"), text_in(given, "as-uid"), texts_in(given, "as-groups")
    extra = {key: texts_in(mapping_in(given, "as-user-extra"), key) for key in mapping_in(given, "as-user-extra")}
    understood = {"as": name, "as-uid": uid, "as-groups": groups, "as-user-extra": extra and all(extra.values())}
    for field in given:
        if not understood[field]:
            form = {"as-groups": "a list of texts", "as-user-extra": "a mapping of lists of texts"}.get(field, "a text")
            raise ImpersonationError(f"user.{field} of the kubeconfig is not {form}")
    if given and not name:
        raise ImpersonationError(f"user.{next(iter(given))} of the kubeconfig needs user.as beside it")
    headers = {"Impersonate-User": [name], "Impersonate-Uid": [uid], "Impersonate-Group": list(groups)}
    headers |= {f"Impersonate-Extra-{quote(key, safe=_TOKEN_MARKS)}": list(texts) for key, texts in extra.items()}
    return {header: [_sent(text) for text in texts] for header, texts in headers.items() if any(texts)}


def _sent(text: str) -> str:
    """Return a text as http.client has to get it, so that UTF-8 is sent, as kubectl does."""
    if not text.isprintable():
        raise ImpersonationError("user.as, or a field like it, of the kubeconfig has a line break or the like in it")
    return text.encode().decode("latin-1")


class CheckedLogin:
    """Goes before the official client's KubeConfigLoader: a login that fails is an error, and each has a limit.

    The loader itself logs some failures, and goes on without a credential. It does not look at whom its user acts as:
    acts_as has the headers for that.
    """

    acts_as: Mapping[str, list[str]]
    _user: Any
    _cluster: Any

    def write(self, text: str) -> str:
        """Put a text into a file that does not stay, and return its path."""
        raise NotImplementedError

    def load_and_set(self, client_configuration: Any) -> None:
        self.acts_as = impersonation(self._user.value if self._user else {})
        super().load_and_set(client_configuration)  # type: ignore[misc]

    def _load_authentication(self) -> None:
        super()._load_authentication()  # type: ignore[misc]
        if self._user and not {"token", "cert_file"} & vars(self).keys():
            missing = missing_credential(self._user.value)
            if missing:
                raise LoginProgramError(missing)

    def _load_auth_provider_token(self) -> Any:
        if "auth-provider" not in self._user:
            return None
        try:
            return in_time(super()._load_auth_provider_token)  # type: ignore[misc]
        except LoginProgramError:
            raise
        except Exception as error:  # noqa: BLE001 - of google.auth, oauthlib, requests and urllib3
            raise LoginProgramError(provider_fault(self._user.value, error)) from None

    def _load_from_exec_plugin(self) -> Any:
        if "exec" not in self._user:
            return None
        folder = self._get_base_path(self._cluster.path)  # type: ignore[attr-defined]
        credential = exec_credential(mapping_in(self._user.value, "exec"), self._cluster.value, folder)
        if credential.token:
            self.token = f"Bearer {credential.token}"
        if credential.certificate and credential.key:
            self.cert_file, self.key_file = self.write(credential.certificate), self.write(credential.key)
        if credential.expires:
            self.expiry = parse_rfc3339(credential.expires)
        return True
