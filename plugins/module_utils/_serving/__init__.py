# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Serves the custom resources of a host of the inventory, in the worker process of their task.

What always holds: keys and tokens stay in this process, and an AWS identity that fails or hangs keeps no resource of
another from being served. May import _inventory, _reconcile and everything below them.
"""
