# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Kubernetes API: the few calls that the collection makes, and their errors worded for a person.

Only here are kubernetes and urllib3 imported. Every call has time-outs and bounded retries.
May import _contract.
"""
