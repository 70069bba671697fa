# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logins as data: docker config, desired and observed Secret, merged Secrets, imagePullSecrets, files of clients.

Everything here is pure: objects of the API server, texts of files and logins come in, manifests, patches and texts go
out. May import _contract and the values of _aws.
"""
