# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A pull secret as data: docker config, desired and observed Secret, merged Secrets, imagePullSecrets.

Everything here is pure: objects of the API server and logins come in, manifests and patches go out. May import
_contract and the values of _aws.
"""
