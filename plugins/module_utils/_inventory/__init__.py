# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From custom resources to the hosts and items of the inventory: identities, items, and what the cluster holds.

What always holds: an item holds references and never a key. May import _reconcile and everything below it.
"""
