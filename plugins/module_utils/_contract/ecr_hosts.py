# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that are almost ECR's: slips of the pen are told from names that somebody put in front of ECR.

Pure. A slip that was taken for a name of one's own would be a login for a host that nobody pulls from. The rules are
regular expressions that CEL takes as well: crds/ has the same two, word by word (a test compares them).

https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html
https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
https://docs.localstack.cloud/aws/services/ecr/
"""

from __future__ import annotations

import re

PUBLIC_HOSTS = ("public.ecr.aws", "ecr-public.aws.com")
REGION = "[a-z]{2,4}(-[a-z]+)+-[0-9]+"
LOCALSTACK = "localhost[.]localstack[.]cloud(:[0-9]{1,5})?"
_LABELS = "(dkr|ecr|dkr-ecr|ecr-fips|dkr-ecr-fips|ecr-public|public-ecr|public)"
_AWS = "(amazonaws[.](com|com[.]cn|eu)|(on|api)[.](aws|amazonwebservices[.]com[.]cn)|aws[.]com)"
# An account before dkr.ecr; a part of ECR's names, or an account, in a domain of AWS; an account and a part of ECR's
# names in a domain that is nearly one; the domain of the public registry.
LOOKS_LIKE_ECR = (
    "^[0-9][0-9-]*[.]dkr[.-]ecr"
    f"|(^|[.]){_LABELS}[.](.*[.])?{_AWS}(:[0-9]+)?$"
    f"|^[0-9][0-9-]*[.](.*[.])?{_AWS}(:[0-9]+)?$"
    f"|^[0-9][0-9-]*[.](.*[.])?{_LABELS}[.].*(amaz|aws)"
    "|(^|[.])ecr[.]aws(:[0-9]+)?$"
)
# Which suffix belongs to which region is known to botocore, and checked where AWS is called.
IS_ECR = (
    f"^[0-9]{{12}}[.]dkr([.]ecr|[.]ecr-fips|-ecr|-ecr-fips)[.]{REGION}[.]([a-z0-9-]+([.][a-z0-9-]+)+|{LOCALSTACK})$"
    "|^public[.]ecr[.]aws$|^ecr-public[.]aws[.]com$|[.]vpce[.]amazonaws[.]com([.]cn)?(:[0-9]+)?$"
)
_LOOKS_LIKE_ECR, _IS_ECR = re.compile(LOOKS_LIKE_ECR), re.compile(IS_ECR)


def is_almost_ecr(host: str) -> bool:
    """Return whether a host can only be meant for one of ECR's, and is none."""
    return _LOOKS_LIKE_ECR.search(host) is not None and _IS_ECR.search(host) is None


def meant(text: str) -> str:
    """Return the host that was probably meant by a text that is none, or almost one; ACCOUNT and REGION stand for what
    cannot be told.
    """
    host = re.sub(r"^[a-z]+://", "", text.strip().lower()).split("/")[0].rpartition("@")[2]
    host = re.sub(r":(?![0-9]{1,5}$).*$", "", host).strip(".")
    if not is_almost_ecr(host):
        return host
    host = host.partition(":")[0]
    if not is_almost_ecr(host):
        return host
    found = re.match("[0-9][0-9-]*", host)
    account = re.sub("-", "", found[0]) if found else ""
    if "public" in host or (host.endswith("ecr.aws") and not account):
        return PUBLIC_HOSTS[0]
    region = re.search(f"(?:^|[.])({REGION})(?=[.]|$)", host)
    endings = {".com.cn": "amazonaws.com.cn", ".eu": "amazonaws.eu"}
    suffix = next((suffix for end, suffix in endings.items() if host.endswith(end)), "amazonaws.com")
    is_dual_stack = host.endswith("on.aws")
    return ".".join(
        [
            account if len(account) == 12 else "ACCOUNT",
            ("dkr-ecr" if is_dual_stack else "dkr.ecr") + ("-fips" if "-fips" in host else ""),
            region[1] if region else "REGION",
            "on.aws" if is_dual_stack else suffix,
        ]
    )
