# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings the Secrets and service accounts of one custom resource to what it asks for.

The request says what is asked for, the decision is pure, and the writers carry it out. What always holds: nothing
that was valid is lost, and nothing that belongs to others is touched. May import _secret, _cluster, _aws, _contract.
"""
