# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""AWS: which identity a custom resource uses, the registries and their logins, and the client that asks for them.

Only client.py, session.py, own_identity.py and errors.py import boto3 and botocore, and the first three do I/O. May
import _contract.
"""
